//! `data:` URLs, in which OpenAI-shaped messages carry pictures and documents.

/// Media type and base64 of a `data:` URL. `None` when it is another address, or not base64.
pub(crate) fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("data:")).and_then(|_| url.get(5..))?;
    let (head, data) = rest.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    // Parameters such as `;charset=…` say nothing about pictures.
    let media_type = media_type.split(';').next().filter(|text| !text.is_empty())?;
    Some((media_type, data))
}

/// A `data:` URL.
pub(crate) fn join(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_can_be_split() {
        assert_eq!(split(&join("image/png", "AAAA")), Some(("image/png", "AAAA")));
        assert_eq!(split("DATA:image/png;charset=utf-8;base64,AA"), Some(("image/png", "AA")));
        for other in ["https://example.com/a.png", "data:text/plain,hi", "data:;base64,AA", "däta:", "", "data"] {
            assert_eq!(split(other), None, "{other}");
        }
    }
}
