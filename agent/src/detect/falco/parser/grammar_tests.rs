//! What Falco's parser takes and what it refuses, case by case.

use super::parse;

const TAKEN: &[&str] = &[
    // Blanks and brackets.
    "  m",
    "\n(m)",
    "m and n",
    "(m)and(n)or(o)",
    "m and n or(o and p)",
    "((m)or(n))",
    "x.y=1 or x.z=2 and m",
    "x.y exists and m",
    "(x.y exists)and(m)",
    // Negation.
    "not m",
    "not(m)",
    "not not m",
    "not not(m)",
    "not(not(m))",
    "not(m)and(not(n))",
    "not x.y exists",
    "x.y=1 and not m",
    // Words that only begin like others.
    "m and notice",
    "android or orbit and notes",
    "m and not notice",
    "x.y = not",
    "x.y = and",
    // Values.
    "x.y = v",
    "x.y = ''",
    "x.y = \"\"",
    "x.y = 7z!@#:/\\.;$%^&*[]{}|<>",
    "x.y=> and x.z=*.log",
    "x.y = 'a \"quoted\" word'",
    "x.y = \"it's\"",
    "x.y = \"a \\\"quoted\\\" word\"",
    "x.y = \"a \\ b\"",
    "x.y = 0xZZ.1",
    "x.y = other.field",
    // Fields with arguments.
    "evt.arg[0] contains /bin",
    "evt.arg[name] contains /bin",
    "x.y[+0.25e+10] = v",
    "x.y[a!@#:/\\.;$%^&*(){}|] = v",
    "x.y['two words'] = v",
    "x.y[\"with \\\"quotes\\\"\"] = v",
    // Numbers.
    "x.y > 1000",
    "x.y < +1",
    "x.y >= -1",
    "x.y <= 0x1fA",
    "x.y < 0XaB",
    "x.y > -0.12e+10",
    // Lists.
    "x.y in ()",
    "x.y in()",
    "x.y pmatch ()",
    "x.y intersects (v)",
    "x.y in (1, 'two', three.four)",
    "x.y in (v, \"v\" , 'v')",
    // Transformers on either side.
    "tolower(x.y) exists",
    "toupper( x.y ) = v",
    "b64(\nx.y\n) glob v*",
    "basename(b64( x.y[1])) in (v)",
    "not b64(x.y) exists or m",
    "x.y = val(z.q)",
    "x.y bcontains val(z.q)",
    "x.y bstartswith b64(z.q)",
    "x.y regex val(z.q)",
    "x.y <= len(z.q)",
    "x.y pmatch val(z.q)",
    "tolower(x.y) = b64(toupper(z.q))",
    "x.y = b64 and(m)",
    "x.y = 'unheard_of(z)'",
    "getopt(x.y, \"a:\") intersects (b, c)",
    "getopt(x.y, \"a:\")[a] = v",
    "join(\",\", (x.y, z.q)) = v",
    "concat(x.y, \":\", z.q) = v",
];

const REFUSED: &[&str] = &[
    // Words that run together, and chains that do not end.
    "m andn",
    "mand n",
    "m and n and",
    "m and n or",
    "m and n not",
    "and m",
    "or m",
    "m not n",
    "m notn",
    "m and or n",
    "m andnot n",
    "(m)andnot(n)",
    "m ornot n",
    "m n",
    "#m",
    // Brackets.
    "(x.y = 1",
    "x.y = 1)",
    "()",
    "(x.y) exists",
    // Operators.
    "x.y",
    "x.y like v",
    "x.y ExIsTs",
    "x.y exists v",
    "x.y ===",
    "x.y containsv",
    "x.y startswithv",
    "x.y globv",
    "m > 12",
    // Values.
    "x.y = v,",
    "x.y = v=",
    "x.y = v('w')",
    "x.y = z = 1",
    "x.y = two words",
    "x.y = 'no end",
    "x.y = \"\"\"",
    "x.y = \"mixed \\'\"",
    "x.y = 'mixed \\\"'",
    // Fields with arguments.
    "evt.arg[] contains v",
    "x.y[[] = v",
    "x.y[]] = v",
    "x.y[  v  ] = v",
    "x.y[v\"] = v",
    "x.y[ = v",
    // Numbers.
    "x.y > !1",
    "x.y < 0xZ",
    "x.y <= v",
    // Lists.
    "x.y in (",
    "x.y in )",
    "x.y in (v,)",
    "x.y in (,)",
    "x.y = (v)",
    "x.y > (v)",
    "x.y startswith (v)",
    "x.y in (b64(z.q))",
    // Transformers.
    "val(x.y) exists",
    "b64(val(x.y)) exists",
    "b64 (x.y) exists",
    "b64(x.y [1]) exists",
    "b64(m) exists",
    "b64(x.y exists",
    "unheard_of(x.y) exists",
    "un.heard.of(x.y) exists",
    "x.y = val(val(z.q))",
    "x.y = val(toupper(z.q))",
    "x.y = b64(val(z.q))",
    "x.y = (b64(z.q))",
    "x.y = unheard_of(z.q)",
    "tolower(x.y)[1] exists",
];

#[test]
fn conditions_of_the_grammar_are_taken() {
    for condition in TAKEN {
        if let Err(error) = parse(condition) {
            panic!("{condition}: {} at {}", error.reason, error.at);
        }
    }
}

#[test]
fn all_others_are_refused() {
    for condition in REFUSED {
        if let Ok(expression) = parse(condition) {
            panic!("{condition} was read as {expression}");
        }
    }
}
