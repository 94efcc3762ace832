//! Programs that take a script as an argument.

const SHELLS: [&[u8]; 8] = [
    b"sh", b"bash", b"dash", b"ash", b"zsh", b"ksh", b"rbash", b"mksh",
];

/// What a script is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// A shell's.
    Shell,
    /// Any of the others: names, operators and strings are all that is told apart.
    Other,
}

/// Flags behind which a script stands.
#[derive(Clone, Copy)]
struct Flags {
    /// One letter, the last of those that one dash has; in a shell, any of them.
    letters: &'static [u8],
    long: &'static [&'static [u8]],
    language: Language,
}

/// Where the script is among the arguments, and what it is written in.
pub(super) fn script(argv: &[&[u8]]) -> Option<(usize, Language)> {
    let name = base_name(argv.first()?);
    let applet = name == b"busybox";
    let name = if applet {
        base_name(argv.get(1)?)
    } else {
        name
    };
    let flags = flags(name)?;
    let first = 1 + usize::from(applet);
    let mut after_flag = false;
    for (at, argument) in argv.iter().enumerate().skip(first) {
        if is_script_flag(argument, flags) {
            let script = argv.len() > at + 1;
            return script.then_some((at + 1, flags.language));
        }
        let flag = argument.first() == Some(&b'-') && *argument != b"--";
        // A file with a script, unless it is the value of a flag.
        if !flag && !after_flag {
            return None;
        }
        after_flag = flag;
    }
    None
}

fn is_script_flag(argument: &[u8], flags: Flags) -> bool {
    match argument {
        [b'-', b'-', ..] => flags.long.contains(&argument),
        [b'-', letters @ .., last] => {
            let clustered = letters.iter().all(u8::is_ascii_alphanumeric);
            let any = flags.language == Language::Shell
                && letters.iter().any(|letter| flags.letters.contains(letter));
            clustered && (flags.letters.contains(last) || any)
        }
        _ => false,
    }
}

fn flags(name: &[u8]) -> Option<Flags> {
    let other = |letters, long| Flags {
        letters,
        long,
        language: Language::Other,
    };
    // `python3.11`, `php8.2`
    let version = name
        .iter()
        .rposition(|byte| !byte.is_ascii_digit() && *byte != b'.');
    let flags = match &name[..version.map_or(0, |last| last + 1)] {
        b"python" | b"pypy" => other(b"c", &[]),
        b"perl" => other(b"eE", &[]),
        b"ruby" => other(b"e", &[]),
        b"node" | b"nodejs" => other(b"ep", &[b"--eval", b"--print"]),
        b"php" => other(b"r", &[b"--run"]),
        shell if SHELLS.contains(&shell) => Flags {
            letters: b"c",
            long: &[],
            language: Language::Shell,
        },
        _ => return None,
    };
    Some(flags)
}

/// The name of a program; a login shell has a dash before it.
fn base_name(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    name.strip_prefix(b"-").unwrap_or(name)
}
