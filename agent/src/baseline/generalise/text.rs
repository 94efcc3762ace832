//! The text form of a name: printable ASCII, in which braces only ever enclose a type.

/// Bytes of an escape: `\xNN`.
pub(super) const ESCAPE: usize = 4;

/// Bytes that stand for themselves.
pub(super) const fn plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && !matches!(byte, b'{' | b'}' | b'\\' | b'/')
}

/// Appends the text of `raw`, which is part of one segment.
pub(super) fn escape(raw: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for &byte in raw {
        if plain(byte) {
            out.push(byte);
        } else {
            let [high, low] = [byte >> 4, byte & 15].map(|half| DIGITS[usize::from(half)]);
            out.extend_from_slice(&[b'\\', b'x', high, low]);
        }
    }
}

/// The byte that the escape at the start of `text` stands for.
pub(super) fn escaped(text: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = *text else {
        return None;
    };
    let half = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(half(high)? * 16 + half(low)?).ok()
}

/// Text as a string.
pub(super) fn string(text: &[u8]) -> String {
    debug_assert!(text.is_ascii());
    text.iter().copied().map(char::from).collect()
}
