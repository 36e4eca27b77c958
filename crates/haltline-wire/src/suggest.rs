//! "Did you mean": the nearest of a few names. Nothing here decides whether a name is allowed.

/// The name of `known` nearest to `given`, when it is near enough to be a slip of the pen.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Long names are not typing errors, and the distance is quadratic in the length.
    if given.len() > 40 {
        return None;
    }
    let allowed = if given.len() <= 4 { 1 } else { 2 };
    known
        .into_iter()
        .map(|name| (distance(given.as_bytes(), name.as_bytes()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance, case ignored.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["max_tokens", "messages", "stream", "n"];
        assert_eq!(nearest("max_token", known), Some("max_tokens"));
        assert_eq!(nearest("mesages", known), Some("messages"));
        assert_eq!(nearest("Stream", known), Some("stream"));
        assert_eq!(nearest("web_search", known), None);
        assert_eq!(nearest(&"m".repeat(4000), known), None);
    }
}
