//! Conformance with Falco's condition grammar.

use super::parse;

/// The condition as it is printed back, brackets showing how it was read.
fn read(condition: &str) -> String {
    match parse(condition) {
        Ok(expression) => expression.to_string(),
        Err(error) => panic!("{condition}: {} at {}", error.reason, error.at),
    }
}

fn refused(condition: &str) -> (usize, String) {
    match parse(condition) {
        Ok(expression) => panic!("{condition} was read as {expression}"),
        Err(error) => (error.at, error.reason),
    }
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    for (condition, expected) in [
        ("a.b=1 or c.d=2 and e.f=3", "a.b = 1 or c.d = 2 and e.f = 3"),
        (
            "(a.b=1 or c.d=2) and e.f=3",
            "(a.b = 1 or c.d = 2) and e.f = 3",
        ),
        ("not a.b=1 and c.d=2", "not (a.b = 1) and c.d = 2"),
        ("not (a.b=1 and c.d=2)", "not (a.b = 1 and c.d = 2)"),
        ("not(a.b=1)", "not (a.b = 1)"),
        ("not not a.b=1", "a.b = 1"),
        ("not not not a.b=1", "not (a.b = 1)"),
        ("not not(a.b=1)", "a.b = 1"),
        ("((a.b=1))", "a.b = 1"),
        ("a.b=1 and(c.d=2)", "a.b = 1 and c.d = 2"),
        (
            "a.b=1 or(c.d=2 or e.f=3)",
            "a.b = 1 or (c.d = 2 or e.f = 3)",
        ),
        ("m and not n or o", "m and not (n) or o"),
    ] {
        assert_eq!(read(condition), expected, "{condition}");
    }
}

#[test]
fn every_operator_is_read() {
    for (condition, expected) in [
        ("a.b=x", "a.b = x"),
        ("a.b==x", "a.b = x"),
        ("a.b!=x", "a.b != x"),
        ("a.b<1", "a.b < 1"),
        ("a.b<=-1", "a.b <= -1"),
        ("a.b>0x1F", "a.b > 0x1F"),
        ("a.b>=1.5e+3", "a.b >= 1.5e+3"),
        ("a.b exists", "a.b exists"),
        ("a.b contains x", "a.b contains x"),
        ("a.b icontains x", "a.b icontains x"),
        ("a.b bcontains CAFE", "a.b bcontains CAFE"),
        ("a.b startswith /etc", "a.b startswith /etc"),
        ("a.b bstartswith 7f45", "a.b bstartswith 7f45"),
        ("a.b endswith .so", "a.b endswith .so"),
        ("a.b glob /x/*", "a.b glob /x/*"),
        ("a.b iglob /x/*", "a.b iglob /x/*"),
        ("a.b regex '[a-z]+'", "a.b regex \"[a-z]+\""),
        ("a.b in (x,y , z)", "a.b in (x, y, z)"),
        ("a.b in(x)", "a.b in (x)"),
        ("a.b in ()", "a.b in ()"),
        ("a.b in list", "a.b in (list)"),
        ("a.b intersects (x)", "a.b intersects (x)"),
        ("a.b pmatch (/etc, /usr)", "a.b pmatch (/etc, /usr)"),
        ("a.b startswith oneof (x, y)", "a.b startswith oneof (x, y)"),
        ("a.b contains anyof(x)", "a.b contains anyof (x)"),
        ("a.b != allof (x, y)", "a.b != allof (x, y)"),
        ("a.b = anyof", "a.b = \"anyof\""),
        ("a.b\n  contains\n  x", "a.b contains x"),
    ] {
        assert_eq!(read(condition), expected, "{condition}");
    }
}

#[test]
fn fields_take_arguments() {
    for (condition, expected) in [
        ("proc.aname[2]=x", "proc.aname[2] = x"),
        (
            "container.mount.dest[/proc*] exists",
            "container.mount.dest[/proc*] exists",
        ),
        ("a.b[\"x y\"] exists", "a.b[\"x y\"] exists"),
        ("a.b['x]'] exists", "a.b[\"x]\"] exists"),
        ("a1.b_c.d2 exists", "a1.b_c.d2 exists"),
    ] {
        assert_eq!(read(condition), expected, "{condition}");
    }
}

#[test]
fn strings_are_quoted_and_escaped() {
    for (condition, expected) in [
        (r#"a.b = "x y""#, r#"a.b = "x y""#),
        (r#"a.b = 'x "y" z'"#, r#"a.b = "x \"y\" z""#),
        (r#"a.b = "x\"y\\z""#, r#"a.b = "x\"y\\z""#),
        (r"a.b = 'it\'s'", r#"a.b = "it's""#),
        (r#"a.b = "\t\n\r\b\f\/""#, r#"a.b = "\t\n\r\b\f/""#),
        (r#"a.b = """#, r#"a.b = """#),
        // A blank that is escaped gives a backslash, as in Falco.
        (r#"a.b = "x\ y""#, r#"a.b = "x\\y""#),
        ("a.b in (\"x y\", 'z')", "a.b in (\"x y\", \"z\")"),
        ("a.b = runc:[1:CHILD]", "a.b = runc:[1:CHILD]"),
    ] {
        assert_eq!(read(condition), expected, "{condition}");
    }
}

#[test]
fn right_sides_may_be_fields_and_transformers() {
    for (condition, expected) in [
        ("a.b = val(c.d)", "a.b = val(c.d)"),
        ("a.b in val( c.d[1] )", "a.b in val(c.d[1])"),
        ("a.b >= val(c.d)", "a.b >= val(c.d)"),
        ("tolower(a.b) = toupper(c.d)", "tolower(a.b) = toupper(c.d)"),
        ("len(b64( a.b )) > 3", "len(b64(a.b)) > 3"),
        ("basename(a.b) in (x)", "basename(a.b) in (x)"),
        (
            "join(\",\", (a.b, c.d)) contains x",
            "join(\",\", (a.b, c.d)) contains x",
        ),
        ("concat(a.b, \"-\", c.d) = x", "concat(a.b, \"-\", c.d) = x"),
        ("getopt(a.b, \"x:\") exists", "getopt(a.b, \"x:\") exists"),
    ] {
        assert_eq!(read(condition), expected, "{condition}");
    }
}

#[test]
fn names_that_begin_like_words_are_names() {
    assert_eq!(
        read("nothing and order or inside"),
        "nothing and order or inside"
    );
    assert_eq!(read("existsx or tolowerx"), "existsx or tolowerx");
}

#[test]
fn errors_say_where_and_what() {
    for (condition, at, reason) in [
        ("", 0, "the condition is empty"),
        ("  ", 2, "the condition is empty"),
        (
            "a.b",
            3,
            "expected an operator, found the end of the condition",
        ),
        ("a.b is 1", 4, "expected an operator, found 'is'"),
        (
            "a.b = ",
            6,
            "expected a value, found the end of the condition",
        ),
        ("a.b < x", 6, "expected a number, found 'x'"),
        (
            "a.b in (x",
            9,
            "expected ',' or ')' in the list, found the end of the condition",
        ),
        ("(a.b = 1", 0, "a '(' that is never closed"),
        ("a.b = 1)", 7, "a ')' that nothing opened"),
        ("a.b = 1 && m", 8, "expected 'and' or 'or', found '&&'"),
        ("a.b = 1 c.d = 2", 8, "expected 'and' or 'or', found 'c.d'"),
        ("a.b = \"x", 6, "a string that does not end"),
        (
            "a.b = \"\\x41\"",
            7,
            "unsupported escape '\\x' in a \"-quoted string",
        ),
        (
            "a.b = '\\\"'",
            7,
            "unsupported escape '\\\"' in a '-quoted string",
        ),
        ("a.b[ = 1", 4, "expected what the brackets should hold"),
        ("a.b[1 = 1", 5, "expected ']'"),
        (
            "a.b containsx",
            4,
            "expected an operator, found 'containsx'",
        ),
        (
            "= 1",
            0,
            "expected a field, a macro, 'not' or '(', found '='",
        ),
        ("m and", 5, "expected a blank or '(' after 'and'"),
        ("a.b in 5", 7, "expected a list, found '5'"),
        ("a.b = val(c)", 10, "expected a field within val()"),
        (
            "tolower() = x",
            8,
            "expected a field, a transformer, a quoted string or a number, found ')'",
        ),
    ] {
        assert_eq!(refused(condition), (at, reason.to_owned()), "{condition}");
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth| format!("{}m{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(100)).is_ok());
    let error = parse(&nested(101)).unwrap_err();
    assert_eq!(error.reason, "nested more than 100 levels deep");
    assert!(error.hint.is_some());
    assert!(parse(&"(".repeat(1_000_000)).is_err());
    assert!(parse(&"not(".repeat(1_000_000)).is_err());
    assert!(parse(&format!("{} m", "not ".repeat(100_000))).is_ok());
    assert!(parse(&format!("{}a.b) = 1", "tolower(".repeat(100_000))).is_err());
}
