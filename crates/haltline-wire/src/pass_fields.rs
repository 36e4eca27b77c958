//! Fields that pass although we do not know them: the operator vouches for them.

/// Fields that the operator lets through although we do not know them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PassFields {
    all: bool,
    names: Vec<String>,
}

impl PassFields {
    /// Lets nothing unknown through.
    #[must_use]
    pub const fn none() -> Self {
        Self { all: false, names: Vec::new() }
    }

    /// From the configuration's list. `*` lets everything unknown through, and gives the promise
    /// up; fields that are known to hide cost stay refused even then.
    #[must_use]
    pub fn new<I, T>(names: I) -> Self
    where
        I: IntoIterator<Item = T>,
        T: Into<String>,
    {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        let all = names.iter().any(|name| name == "*");
        names.sort_unstable();
        names.dedup();
        Self { all, names }
    }

    /// Is a field of this name let through?
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.all || self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// Does it let everything through?
    #[must_use]
    pub const fn is_all(&self) -> bool {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_lets_all_through_and_a_name_only_itself() {
        assert!(PassFields::new(["*"]).contains("anything"));
        let one = PassFields::new(["top_k", "min_p"]);
        assert!(one.contains("top_k") && one.contains("min_p") && !one.contains("top"));
        assert!(!PassFields::none().contains("top_k"));
    }
}
