//! Hides passwords in the text that is shown. Each character becomes a `*`, so that columns stay right. If in doubt, it
//! hides too much.

/// Words whose value, after `=` or `:`, is a secret.
const SECRETS: [&str; 7] = ["password", "passwd", "passphrase", "pgpassword", "sslpassword", "pwd", "secret"];

/// The text of one line or message with its passwords hidden. The number of characters stays the same.
pub(crate) fn mask(text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    mask_urls(&mut characters);
    mask_pairs(&mut characters);
    characters.into_iter().collect()
}

/// `scheme://user:password@host`
fn mask_urls(text: &mut [char]) {
    let mut from = 0;
    while let Some(start) = scheme_end(text, from) {
        let end = (start..text.len()).find(|at| ends_url(text[*at])).unwrap_or(text.len());
        // The last `@`: a password may contain one.
        if let Some(at) = (start..end).rev().find(|at| text[*at] == '@')
            && let Some(colon) = (start..at).find(|at| text[*at] == ':')
        {
            text[colon + 1..at].fill('*');
        }
        from = end;
    }
}

/// The position after the next `://`, whether its slashes are escaped or not.
fn scheme_end(text: &[char], from: usize) -> Option<usize> {
    (from..text.len()).filter(|at| text[*at] == ':').find_map(|at| {
        let mut next = at + 1;
        for _ in 0..2 {
            if text.get(next) == Some(&'\\') {
                next += 1;
            }
            if text.get(next) != Some(&'/') {
                return None;
            }
            next += 1;
        }
        Some(next)
    })
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`')
}

/// `password=…`, `password: …`
fn mask_pairs(text: &mut [char]) {
    let mut at = 0;
    while at < text.len() {
        let starts_word = at == 0 || !is_word(text[at - 1]);
        let length = (at..text.len()).take_while(|at| is_word(text[*at])).count();
        if starts_word && length > 0 && is_secret(&text[at..at + length]) {
            mask_value(text, at + length);
        }
        at += length.max(1);
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_secret(word: &[char]) -> bool {
    let word: String = word.iter().flat_map(|c| c.to_lowercase()).collect();
    SECRETS.contains(&word.as_str())
}

fn mask_value(text: &mut [char], word_end: usize) {
    let skip = |from: usize, text: &[char]| (from..text.len()).find(|at| !matches!(text[*at], ' ' | '\t'));
    let quote_end = word_end + usize::from(matches!(text.get(word_end), Some('"' | '\'')));
    let Some(sign) = skip(quote_end, text).filter(|at| matches!(text[*at], '=' | ':')) else { return };
    let Some(start) = skip(sign + 1, text) else { return };
    let end = match text[start] {
        quote @ ('"' | '\'') => (start + 1..text.len()).find(|at| text[*at] == quote).unwrap_or(text.len()),
        _ if text[sign] == ':' => text.len(),
        _ => (start..text.len()).find(|at| ends_url(text[*at]) || text[*at] == '&').unwrap_or(text.len()),
    };
    let start = start + usize::from(matches!(text[start], '"' | '\''));
    text[start..end].fill('*');
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn hides_passwords_and_keeps_columns() {
        for (text, masked) in [
            ("url: postgres://app:s3cret@db/x", "url: postgres://app:******@db/x"),
            ("url: \"postgres://app:p@ss:w/d@db/x\" # c", "url: \"postgres://app:********@db/x\" # c"),
            ("postgres:\\/\\/app:pw@db", "postgres:\\/\\/app:**@db"),
            ("postgres://u:${PW:-dev}@h", "postgres://u:**********@h"),
            ("postgres://app@db:5432/x", "postgres://app@db:5432/x"),
            ("postgres://db:5432/x", "postgres://db:5432/x"),
            ("url: host=db password=geheim dbname=x", "url: host=db password=****** dbname=x"),
            ("host=db password = 'a b' user=x", "host=db password = '***' user=x"),
            ("postgres://db/x?user=a&PASSWORD=pw&c=d", "postgres://db/x?user=a&PASSWORD=**&c=d"),
            ("  password: very secret, yes", "  password: ****************"),
            ("{ \"password\": \"pw\", b: c }", "{ \"password\": \"**\", b: c }"),
            ("idx_password: [password, é]", "idx_password: [password, é]"),
            ("a://b:pä@c d://e:f@g", "a://b:**@c d://e:*@g"),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
    }
}
