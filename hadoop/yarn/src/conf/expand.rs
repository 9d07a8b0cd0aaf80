//! `${…}` in values: other keys, `user.name` and `user.home`, and variables as `${env.NAME}`.

/// Most replacements in one value, as Hadoop has it.
const MAX_REPLACEMENTS: usize = 20;

/// Replaces `${…}` in a value, the innermost first. What nobody knows stays as it is. Gives the name at which it gave up
/// where replacements do not end.
pub(super) fn expand<'a>(
    value: &str,
    key: impl Fn(&str) -> Option<&'a str>,
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, String> {
    let mut value = value.to_owned();
    // What lies before this is done, or not known.
    let mut from = 0;
    let mut replacements = 0;
    while let Some((start, end)) = innermost(&value, from) {
        let name = value[start + 2..end].to_owned();
        let Some(known) = lookup(&name, &key, &variable) else {
            from = end + 1;
            continue;
        };
        if replacements == MAX_REPLACEMENTS {
            return Err(name);
        }
        replacements += 1;
        value.replace_range(start..=end, &known);
        from = 0;
    }
    Ok(value)
}

/// The first `${…}` without another in it that ends after `from`: where it begins, and where its brace is.
fn innermost(value: &str, from: usize) -> Option<(usize, usize)> {
    let mut from = from;
    loop {
        let end = from + value.get(from..)?.find('}')?;
        if let Some(start) = value[..end].rfind("${").filter(|&start| !value[start..end].contains('}')) {
            return Some((start, end));
        }
        from = end + 1;
    }
}

fn lookup<'a>(
    name: &str,
    key: &impl Fn(&str) -> Option<&'a str>,
    variable: &impl Fn(&str) -> Option<&'a str>,
) -> Option<String> {
    if let Some(name) = name.strip_prefix("env.") {
        // `:-` also replaces what is empty, `-` only what is not set; the first that occurs counts.
        let (name, otherwise) = match name.find('-') {
            Some(at) if name[..at].ends_with(':') => {
                let (name, otherwise) = (&name[..at - 1], &name[at + 1..]);
                return Some(variable(name).filter(|v| !v.is_empty()).unwrap_or(otherwise).to_owned());
            }
            Some(at) => (&name[..at], Some(&name[at + 1..])),
            None => (name, None),
        };
        return variable(name).or(otherwise).map(str::to_owned);
    }
    let property = match name {
        "user.name" => variable("USER"),
        "user.home" => variable("HOME"),
        _ => None,
    };
    // Values are trimmed where they are used, and this is such a place.
    property.or_else(|| key(name).map(str::trim)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(value: &str) -> Result<String, String> {
        let key = |name: &str| match name {
            "a" => Some("1"),
            "b" => Some("${a}2"),
            "which" => Some("a"),
            "circle" => Some("x${circle}"),
            "user.name" => Some("not this"),
            _ => None,
        };
        let variable = |name: &str| match name {
            "X" => Some("env"),
            "EMPTY" => Some(""),
            "USER" => Some("anna"),
            _ => None,
        };
        expand(value, key, variable)
    }

    #[test]
    fn what_is_known_is_replaced() {
        fn check(value: &str, expected: &str) {
            assert_eq!(expanded(value).as_deref(), Ok(expected), "{value}");
        }
        check("plain", "plain");
        check("${a}-${b}", "1-12");
        check("${${which}}", "1");
        check("${unknown} ${a}", "${unknown} 1");
        check("${unknown${a}}", "${unknown1}");
        check("${env.X}", "env");
        check("${env.NONE}", "${env.NONE}");
        check("${env.NONE-d-e}", "d-e");
        check("${env.NONE:-d}", "d");
        check("${env.EMPTY-d}", "");
        check("${env.EMPTY:-d}", "d");
        check("${user.name}", "anna");
        check("} ${ { ${a", "} ${ { ${a");
        check("}${a}", "}1");
    }

    #[test]
    fn circles_are_found() {
        assert_eq!(expanded("${circle}"), Err("circle".to_owned()));
    }

    proptest! {
        #[test]
        fn whatever_is_written_ends(value in "[${}a-e.]{0,40}") {
            let _ = expanded(&value);
        }
    }
}
