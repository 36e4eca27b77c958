//! What was said of a channel, for dialects that tell a text again when it is whole.

/// The most that is remembered of one channel.
const BYTES_MAX: usize = 8 << 20;

/// A text as the provider wrote it, and as it went out.
#[derive(Debug, Default)]
pub(super) struct Said {
    came: String,
    /// Only once it differs.
    went: Option<String>,
    /// There was more than is remembered.
    lost: bool,
}

impl Said {
    /// More came, and this went out.
    pub(super) fn add(&mut self, came: &str, went: &str) {
        if self.lost {
            return;
        }
        if self.came.len().saturating_add(came.len()).saturating_add(went.len()) > BYTES_MAX {
            *self = Self { lost: true, ..Self::default() };
            return;
        }
        if self.went.is_none() && came != went {
            self.went = Some(self.came.clone());
        }
        self.came.push_str(came);
        if let Some(all) = &mut self.went {
            all.push_str(went);
        }
    }

    /// Whoever goes on with it knows only what went out.
    pub(super) fn go_on(&mut self) {
        if let Some(went) = self.went.take() {
            self.came = went;
        }
    }

    /// What came, and what went out; none where it was too much to remember.
    pub(super) fn both(&self) -> Option<(&str, &str)> {
        (!self.lost).then(|| (self.came.as_str(), self.went.as_deref().unwrap_or(&self.came)))
    }

    /// What went out for `whole`, if that is what came.
    pub(super) fn of(&self, whole: &str) -> Option<&str> {
        self.both().filter(|(came, _)| *came == whole).map(|(_, went)| went)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_text_becomes_what_its_pieces_became() {
        let mut said = Said::default();
        said.add("a", "a");
        assert_eq!(said.of("a"), Some("a"));
        said.add("b", "");
        said.add("c", "[x]");
        assert_eq!((said.of("abc"), said.of("ab")), (Some("a[x]"), None));
        said.go_on();
        assert_eq!(said.of("a[x]"), Some("a[x]"));
    }
}
