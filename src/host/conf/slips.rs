//! Values that are taken as they stand, and were surely meant otherwise.

/// Keys in whose values a ` #` or ` ;` has a place: texts of their own, and labels.
const FREE: [&str; 4] = ["format", "datefmt", "args", "devices[]"];

/// What could be odd about the value of `key`, whether it is, and what to do. Never a part of the value.
pub(super) fn of(key: &str, value: &str) -> [(bool, &'static str); 3] {
    let quoted = value.len() > 1 && ['"', '\''].iter().any(|&q| value.starts_with(q) && value.ends_with(q));
    let marks = [" #", "\t#", " ;", "\t;"];
    let commented = !FREE.contains(&key) && marks.iter().any(|mark| value.contains(mark));
    let variable = match key {
        // Among other characters a $ is as good as any in a password.
        // Nor is it odd in Z85.
        "curve_server_key" => false,
        "pass" => value.strip_prefix('$').and_then(behind_name) == Some(""),
        _ => value.split('$').skip(1).any(|text| behind_name(text).is_some()),
    };
    [
        (quoted, "the quotes are a part of the value; leave them out"),
        (commented, "what looks like a comment is a part of the value; put it on a line of its own"),
        (variable, "a variable of the environment is not looked up; write what it stands for"),
    ]
}

/// What follows the name of a variable of the environment that `text` begins with: `{any}`, or two capitals
/// or more.
fn behind_name(text: &str) -> Option<&str> {
    if let Some(text) = text.strip_prefix('{') {
        return text.split_once('}').map(|(_, rest)| rest);
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let is_name = text.len() - rest.len() > 1
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && !rest.starts_with(|c: char| c.is_ascii_lowercase());
    is_name.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_words(key: &str, value: &str) -> Vec<&'static str> {
        let odd = of(key, value).into_iter().filter(|(is_so, _)| *is_so);
        odd.map(|(_, text)| text.split(' ').nth(1).unwrap()).collect()
    }

    #[test]
    fn quotes_comments_and_variables_are_odd() {
        for (key, value, odd) in [
            ("user", "\"guest\"", &["quotes"][..]),
            ("user", "'guest'", &["quotes"]),
            ("port", "5672 # the usual", &["looks"]),
            ("mounts", "/ /boot\n/srv ; later", &["looks"]),
            ("pidfile", "$XDG_RUNTIME_DIR/psistats.pid", &["variable"]),
            ("host", "'${BROKER}' # there", &["variable"]),
            ("url", "amqp://$USER:$PASS@host", &["variable"]),
            ("pass", "$PASSWORD", &["variable"]),
            ("pass", "${password}", &["variable"]),
        ] {
            let found = first_words(key, value);
            assert!(odd.iter().all(|word| found.contains(word)), "{key}={value}: {found:?}");
        }
    }

    #[test]
    fn what_may_well_be_meant_is_not() {
        for (key, value) in [
            ("user", "o'brien'"),
            ("user", "'"),
            ("pass", "a;b#c"),
            ("pass", "cash$MONEY$"),
            ("pass", "$"),
            ("pass", "$Ecret"),
            ("user", "$3"),
            ("user", "${x"),
            ("prefix", "a$b"),
            ("format", "%(asctime)s # %(message)s ; $"),
            ("devices[]", "(Fan #1, w83627ehf-isa-0290.fan1)"),
            ("args", "('/var/log/a #1',)"),
        ] {
            assert_eq!(first_words(key, value), [""; 0], "{key}={value}");
        }
    }
}
