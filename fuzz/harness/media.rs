//! What must hold of any bytes: media and texts.

use haltline_wire::json::{self};
use haltline_wire::media::{self, MediumKind};
use haltline_wire::texts;

/// An image has a size or a reason, the same by its bytes and by its base64; and what is found in
/// a body lies in the body.
pub(crate) fn image_header(data: &[u8]) {
    let size = media::size_of_bytes(data);
    if let Ok(Some(size)) = size {
        assert!(size.width > 0 && size.height > 0);
    }
    if data.len() < media::HEADER_MAX {
        assert_eq!(media::size_of_base64(base64(data).as_bytes()), size);
    }
    let _ = media::size_of_base64(data);
    if json::check(data).is_ok() {
        let found = media::find(data);
        for medium in &found {
            assert!(data.get(medium.span.clone()).is_some());
            if let MediumKind::Image { size: Ok(Some(size)), .. } = medium.kind {
                assert!(size.width > 0 && size.height > 0);
            }
        }
        let spans: Vec<_> = found.into_iter().map(|medium| medium.span).collect();
        assert!(texts::texts(data, &spans).is_some());
    }
}

fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in data.chunks(3) {
        let whole = piece.iter().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte)) << (8 * (3 - piece.len()));
        for digit in 0..=piece.len() {
            let at = usize::try_from((whole >> (18 - 6 * digit)) & 63).expect("six bits");
            text.push(char::from(DIGITS[at]));
        }
    }
    text
}
