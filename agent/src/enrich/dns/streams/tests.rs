use proptest::prelude::*;

use super::*;

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

fn texts(told: &[Framed]) -> Vec<(&[u8], bool)> {
    told.iter()
        .map(|framed| (&*framed.bytes, framed.whole))
        .collect()
}

#[test]
fn messages_are_put_together() {
    let bytes = [framed(b"one"), framed(b"three")].concat();
    let mut stream = Stream::starting_at(7);
    assert!(stream.segment(7, &bytes[..1], true).is_empty());
    // Later, then what lies between, twice.
    assert!(stream.segment(11, &bytes[4..8], true).is_empty());
    let told = stream.segment(8, &bytes[1..6], true);
    assert_eq!(texts(&told), [(&b"one"[..], true)]);
    assert!(stream.segment(8, &bytes[1..4], true).is_empty());
    let told = stream.segment(15, &bytes[8..], true);
    assert_eq!(texts(&told), [(&b"three"[..], true)]);
}

#[test]
fn a_segment_that_is_cut_ends_what_can_be_read() {
    let mut stream = Stream::starting_at(0);
    let told = stream.segment(0, &framed(b"message")[..6], false);
    assert_eq!(texts(&told), [(&b"mess"[..], false)]);
    assert!(stream.segment(6, b"age", true).is_empty());
    assert!(stream.segment(9, &framed(b"next"), true).is_empty());
}

#[test]
fn a_segment_makes_a_bounded_number_of_messages() {
    let mut stream = Stream::starting_at(0);
    let told = stream.segment(0, &[0; 4000], true);
    assert!(told.len() <= MAX_MESSAGES + 1, "{}", told.len());
    assert!(stream.segment(4000, &framed(b"next"), true).is_empty());
}

#[test]
fn early_segments_have_a_bound() {
    let mut stream = Stream::starting_at(0);
    for number in 1..200_u32 {
        stream.segment(number * 1000, &[1; 1000], true);
        assert!(stream.bytes() <= MAX_BYTES && stream.early.len() <= MAX_EARLY);
    }
    assert!(stream.broken);
}

proptest! {
    /// Whatever the segments, their order and their repetition: the same messages.
    #[test]
    fn the_order_of_segments_does_not_matter(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..6),
        cuts in prop::collection::vec(1..40_usize, 1..20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        first in prop_oneof![any::<u32>(), Just(u32::MAX - 20)],
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
        let mut segments = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(bytes.len());
            segments.push((first.wrapping_add(at as u32), &bytes[at..end]));
            at = end;
            if at == bytes.len() {
                break;
            }
        }
        prop_assume!(segments.len() <= MAX_EARLY);
        let shuffled = order.iter().map(|index| *index.get(&segments));
        let mut stream = Stream::starting_at(first);
        let mut told = Vec::new();
        for (sequence, part) in shuffled.chain(segments.iter().copied()) {
            told.extend(stream.segment(sequence, part, true));
        }
        let told: Vec<_> = told.into_iter().map(|framed| framed.bytes.into_vec()).collect();
        prop_assert_eq!(told, messages);
    }

    #[test]
    fn no_segment_is_too_odd(
        segments in prop::collection::vec(
            (any::<u32>(), prop::collection::vec(any::<u8>(), 0..300), any::<bool>()),
            0..80,
        ),
        first: u32,
    ) {
        let mut stream = Stream::starting_at(first);
        for (sequence, bytes, whole) in segments {
            let told = stream.segment(sequence, &bytes, whole);
            prop_assert!(told.len() <= MAX_EARLY * (MAX_MESSAGES + 1));
            prop_assert!(stream.bytes() <= MAX_BYTES);
        }
    }
}
