use proptest::prelude::*;

use super::*;

const QUERY: u16 = 0x0100;
const ANSWER: u16 = 0x8180;

fn header(flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34];
    for word in [flags, counts[0], counts[1], counts[2], counts[3]] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn labels(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn asked(name: &str, rtype: u16) -> Vec<u8> {
    [labels(name), rtype.to_be_bytes().to_vec(), vec![0, 1]].concat()
}

fn record(owner: &[u8], rtype: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = owner.to_vec();
    bytes.extend_from_slice(&rtype.to_be_bytes());
    bytes.extend_from_slice(&[0, 1]);
    bytes.extend_from_slice(&ttl.to_be_bytes());
    bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The question's name, which always stands behind the header.
const OF_QUESTION: &[u8] = &[0xC0, 12];

fn answer(records: &[Vec<u8>]) -> Vec<u8> {
    let counts = [1, records.len() as u16, 0, 0];
    [
        header(ANSWER, counts),
        asked("Web.Example", 1),
        records.concat(),
    ]
    .concat()
}

fn addresses(parsed: &Parsed) -> Vec<String> {
    parsed
        .message
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_query_tells_what_is_asked() {
    let bytes = [
        header(QUERY, [1, 0, 0, 0]),
        asked("A.long-LABEL.Example", 16),
    ]
    .concat();
    let Parsed { message, fault } = parse(&bytes, false, false);
    assert_eq!(
        (fault, message.id, message.rcode),
        (None, Some(0x1234), None)
    );
    let question = message.question.unwrap();
    assert_eq!(&*question.name, "a.long-label.example");
    assert_eq!(
        (question.longest_label, question.rtype, question.class),
        (10, 16, 1)
    );

    let root = [header(QUERY, [1, 0, 0, 0]), asked("", 2)].concat();
    assert_eq!(
        &*parse(&root, false, false).message.question.unwrap().name,
        "."
    );
    let odd = [header(QUERY, [1, 0, 0, 0]), asked("a b\n", 1)].concat();
    assert_eq!(
        &*parse(&odd, false, false).message.question.unwrap().name,
        "a\\ b\\010"
    );
}

#[test]
fn an_answer_gives_addresses_along_its_chain() {
    let alias = labels("Edge.CDN.example");
    let bytes = answer(&[
        record(OF_QUESTION, 5, 300, &alias),
        record(&alias, 1, 20, &[192, 0, 2, 1]),
        record(&labels("edge.cdn.EXAMPLE"), 28, 90, &[0; 16]),
        // Of another name, and of another class.
        record(&labels("bank.example"), 1, 5, &[192, 0, 2, 66]),
        [&alias[..], &[0, 1, 0, 3, 0, 0, 0, 9, 0, 4, 192, 0, 2, 67]].concat(),
    ]);
    let parsed = parse(&bytes, true, false);
    assert_eq!(parsed.fault, None);
    assert_eq!(addresses(&parsed), ["192.0.2.1", "::"]);
    assert_eq!(parsed.message.cnames, ["edge.cdn.example".into()]);
    assert_eq!(
        (parsed.message.ttl, parsed.message.rcode),
        (Some(20), Some(0))
    );
}

#[test]
fn what_is_wrong_is_told() {
    let query = [header(QUERY, [1, 0, 0, 0]), asked("a.example", 1)].concat();
    let two = [header(QUERY, [2, 0, 0, 0]), asked("a", 1), asked("b", 1)].concat();
    let to_itself = [header(QUERY, [1, 0, 0, 0]), vec![0xC0, 12, 0, 1, 0, 1]].concat();
    let in_turn = [
        header(QUERY, [1, 0, 0, 0]),
        vec![0xC0, 14, 0xC0, 12, 0, 1, 0, 1],
    ]
    .concat();
    let extended = [header(QUERY, [1, 0, 0, 0]), vec![0x41, 0, 0, 1, 0, 1]].concat();
    let beyond = answer(&[record(&[0xCF, 0xFF], 1, 0, &[0; 4])]);
    let short_address = answer(&[record(OF_QUESTION, 1, 0, &[1, 2, 3])]);
    let long_address = answer(&[record(OF_QUESTION, 1, 0, &[1, 2, 3, 4, 5])]);
    let missing = [header(ANSWER, [1, 2, 0, 0]), asked("a", 1)].concat();
    let additional = [header(ANSWER, [1, 0, 0, 1]), asked("a", 1), vec![0, 0]].concat();
    for (bytes, received, fault) in [
        (&b"canary"[..], false, Some(DnsFault::Header)),
        (&[], true, Some(DnsFault::Header)),
        (&query, false, None),
        (&query, true, Some(DnsFault::Direction)),
        (&header(QUERY, [0; 4]), false, Some(DnsFault::Questions)),
        (&header(0x8184, [0; 4]), true, None),
        (&two, false, Some(DnsFault::Questions)),
        (&query[..20], false, Some(DnsFault::Question)),
        (&to_itself, false, Some(DnsFault::Question)),
        (&in_turn, false, Some(DnsFault::Question)),
        (&extended, false, Some(DnsFault::Question)),
        (&beyond, true, Some(DnsFault::Record)),
        (&short_address, true, Some(DnsFault::Record)),
        (&long_address, true, Some(DnsFault::Record)),
        (&missing, true, Some(DnsFault::Record)),
        (&additional, true, Some(DnsFault::Record)),
    ] {
        assert_eq!(parse(bytes, received, false).fault, fault, "{bytes:02x?}");
    }
}

#[test]
fn the_missing_end_of_a_cut_message_is_no_fault() {
    let bytes = answer(&[
        record(OF_QUESTION, 1, 60, &[192, 0, 2, 1]),
        record(OF_QUESTION, 1, 60, &[192, 0, 2, 2]),
    ]);
    let cut = parse(&bytes[..bytes.len() - 3], true, true);
    assert_eq!(
        (addresses(&cut), cut.fault),
        (vec!["192.0.2.1".to_owned()], None)
    );
    assert_eq!(parse(&bytes[..3], true, true).fault, Some(DnsFault::Header));
}

#[test]
fn what_is_taken_has_a_bound() {
    let many = vec![record(OF_QUESTION, 1, 60, &[192, 0, 2, 1]); MAX_ADDRESSES + 9];
    assert_eq!(
        parse(&answer(&many), true, false).message.addresses.len(),
        MAX_ADDRESSES
    );
    // An alias of itself.
    let circle = vec![record(OF_QUESTION, 5, 60, OF_QUESTION); 99];
    let parsed = parse(&answer(&circle), true, false);
    assert_eq!(
        (parsed.message.cnames.len(), parsed.fault),
        (MAX_CNAMES, None)
    );
}

proptest! {
    #[test]
    fn no_bytes_are_too_odd(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        received: bool,
        cut: bool,
    ) {
        let parsed = parse(&bytes, received, cut);
        prop_assert!(parsed.message.addresses.len() <= MAX_ADDRESSES);
        prop_assert_eq!(parsed.message.id.is_some(), bytes.len() >= 12);
    }

    /// Arbitrary bytes seldom get beyond the counts: these are nearly messages, full of pointers.
    #[test]
    fn no_message_is_too_odd(
        counts in prop::array::uniform4(0..4_u16),
        flags in prop::sample::select(vec![QUERY, ANSWER]),
        body in prop::collection::vec(
            prop_oneof![
                Just(0_u8), Just(0xC0), Just(12), Just(1), Just(5), Just(28), 0..64_u8, any::<u8>(),
            ],
            0..400,
        ),
    ) {
        let bytes = [header(flags, counts), body].concat();
        let parsed = parse(&bytes, flags == ANSWER, false);
        prop_assert!(parsed.message.cnames.len() <= MAX_CNAMES);
        let name = parsed.message.question.map_or(0, |question| question.name.len());
        // Each byte of a name takes at most four characters.
        prop_assert!(name <= 4 * 255);
    }

    #[test]
    fn a_prefix_never_says_more_than_the_whole(cut_at in 0..120_usize) {
        let bytes = answer(&[
            record(OF_QUESTION, 5, 300, &labels("edge.example")),
            record(&labels("edge.example"), 1, 20, &[192, 0, 2, 1]),
            record(&labels("edge.example"), 1, 30, &[192, 0, 2, 2]),
        ]);
        let whole = parse(&bytes, true, false).message;
        let prefix = &bytes[..cut_at.min(bytes.len())];
        let part = parse(prefix, true, true).message;
        prop_assert!(whole.addresses.starts_with(&part.addresses));
        prop_assert!(whole.cnames.starts_with(&part.cnames));
    }
}
