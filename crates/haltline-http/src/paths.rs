//! Paths as clients write them: some join a base URL that ends in a slash with a path that begins
//! with one.

use http::Uri;
use http::uri::PathAndQuery;

/// The address with each run of slashes in its path as one, where there is such a run.
pub(crate) fn with_single_slashes(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") {
        return None;
    }
    let mut single = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    if let Some(query) = uri.query() {
        single.push('?');
        single.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(single).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_slashes_become_one_and_the_query_stays() {
        let uri: Uri = "//v1///chat/completions?a=//b".parse().expect("a URI");
        assert_eq!(with_single_slashes(&uri).expect("changed"), "/v1/chat/completions?a=//b");
        assert_eq!(with_single_slashes(&"/v1/models".parse().expect("a URI")), None);
    }
}
