//! The connection settings of the database: URLs and `key=value` strings as libpq reads them, its environment
//! variables, and its service file. sqlx supports most of this, and the rest is added here.

use std::{env, path::PathBuf, str::FromStr as _, time::Duration};

use sea_orm::sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use crate::error::LiveError;

/// The directories of sockets where libpq looks for a server if no host is given.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The keys of libpq that sqlx knows. The others tune features that sqlx does not have, and a session works without
/// them.
const KNOWN: [&str; 11] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "options",
];

/// A database to connect to.
#[derive(Clone, Debug)]
pub struct Target {
    options: PgConnectOptions,
    timeout: Duration,
}

impl Target {
    /// Reads a URL, a `key=value` string, or, without either, the `PG*` variables alone.
    ///
    /// # Errors
    /// The text is neither of these, or it names a service that no service file has.
    pub fn parse(text: Option<&str>) -> Result<Self, LiveError> {
        let text = text.unwrap_or_default().trim();
        let is_url = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let (base, mut pairs) = if is_url {
            take_apart(text)
        } else if text.is_empty() {
            ("postgres://".to_owned(), Pairs::new())
        } else {
            ("postgres://".to_owned(), key_values(text)?)
        };
        let mut timeout = env::var("PGCONNECT_TIMEOUT").ok();
        let mut service = env::var("PGSERVICE").ok();
        pairs.retain(|(key, value)| match key.as_str() {
            "service" => {
                service = Some(value.clone());
                false
            }
            "connect_timeout" => {
                timeout = Some(value.clone());
                false
            }
            key => KNOWN.contains(&key) || key.starts_with("options["),
        });
        if let Some(service) = service {
            let mut of_service = service_pairs(&service)?;
            // A service fills in missing settings. It must not override other parts of a URL, as pairs in the query
            // would.
            let given = given(&base);
            of_service.retain(|(key, _)| KNOWN.contains(&key.as_str()) && !given.contains(&key.as_str()));
            of_service.extend(pairs);
            pairs = of_service;
        }
        let names_user = base.contains('@') || pairs.iter().any(|(key, _)| key == "user");
        if let (false, Some(user)) = (names_user, system_user()) {
            pairs.insert(0, ("user".to_owned(), user));
        }
        // All settings become one URL, so that sqlx looks up the password for their combination.
        let query: Vec<_> = pairs.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
        let url = format!("{}?{}", if base.ends_with("//") { base + "/" } else { base }, query.join("&"));
        let options = PgConnectOptions::from_str(&url).map_err(|error| LiveError::Url(error.to_string()))?;
        let timeout = timeout.and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0).unwrap_or(30);
        let options = options.application_name("reconcile").statement_cache_capacity(0);
        // A pooler refuses settings that it does not know. The sessions set this one themselves.
        let options = options.extra_float_digits(None);
        Ok(Self { options: options.disable_statement_logging(), timeout: Duration::from_secs(timeout) })
    }

    /// Host, port and database, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let host = match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => self.options.get_host().to_owned(),
        };
        let database = self.options.get_database().unwrap_or(self.options.get_username());
        format!("database `{database}` at {host}:{}", self.options.get_port())
    }

    /// Another database on the same server.
    #[must_use]
    pub fn database(&self, name: &str) -> Self {
        Self { options: self.options.clone().database(name), timeout: self.timeout }
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection, LiveError> {
        let failed = |message: String| LiveError::Connect { target: self.describe(), message };
        match tokio::time::timeout(self.timeout, self.options.connect()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(failed(match LiveError::from(error) {
                LiveError::Server(error) => error.message,
                LiveError::Connection(message) => message,
                other => other.to_string(),
            })),
            Err(_) => Err(failed(format!("no answer within {} s", self.timeout.as_secs()))),
        }
    }
}

type Pairs = Vec<(String, String)>;

/// The URL without its query, and the pairs of the query. If the authority has no host, as in
/// `postgres://user@/db?host=/run`, libpq connects to a socket.
fn take_apart(url: &str) -> (String, Pairs) {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let mut pairs: Pairs = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), decoded(value)))
        .collect();
    let hostless = authority.ends_with('@') || authority.contains("@:");
    if !hostless {
        return (base.to_owned(), pairs);
    }
    if !pairs.iter().any(|(key, _)| key == "host") {
        pairs.push(("host".to_owned(), default_socket()));
    }
    (format!("{scheme}://{}{path}", authority.replacen('@', "@localhost", 1)), pairs)
}

/// The keys of libpq that a URL without its query sets.
fn given(base: &str) -> Vec<&'static str> {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let port = host.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && !port.contains(']'));
    let named = [
        ("user", !user.is_empty()),
        ("password", user.contains(':')),
        ("host", !host.is_empty()),
        ("hostaddr", !host.is_empty()),
        ("port", port),
        ("dbname", !path.is_empty()),
    ];
    named.into_iter().filter_map(|(key, is_given)| is_given.then_some(key)).collect()
}

/// A value, encoded for the query of a URL.
fn encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code =
            tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        if let (b'%', Some(code)) = (first, code) {
            bytes.push(code);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The default role, as in libpq: `PGUSER`, then the user of the operating system.
fn system_user() -> Option<String> {
    let named = |name| env::var(name).ok().filter(|user| !user.is_empty());
    ["PGUSER", "USER", "LOGNAME"].into_iter().find_map(named)
}

fn default_socket() -> String {
    let found = SOCKET_DIRECTORIES.into_iter().find(|directory| PathBuf::from(directory).is_dir());
    found.unwrap_or("localhost").to_owned()
}

/// Reads `host=… dbname='…'` (manual, section 34.1.1.1).
fn key_values(text: &str) -> Result<Pairs, LiveError> {
    let mut pairs = Pairs::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((key, tail)) = rest.split_once('=') else {
            return Err(LiveError::Url("expected a postgres:// URL or key=value pairs".to_owned()));
        };
        let (value, tail) = take_value(tail.trim_start())
            .ok_or_else(|| LiveError::Url(format!("the value of `{}` has an open quote", key.trim())))?;
        pairs.push((key.trim().to_owned(), value));
        rest = tail.trim_start();
    }
    Ok(pairs)
}

fn take_value(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            '\'' if quoted => return Some((value, &text[at + 1..])),
            c if c.is_whitespace() && !quoted => return Some((value, &text[at..])),
            c => value.push(c),
        }
    }
    if quoted { None } else { Some((value, "")) }
}

/// The section of the service file (manual, section 34.17).
fn service_pairs(service: &str) -> Result<Pairs, LiveError> {
    let own = env::var_os("PGSERVICEFILE").map(PathBuf::from);
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".pg_service.conf"));
    let system = env::var_os("PGSYSCONFDIR").map(|directory| PathBuf::from(directory).join("pg_service.conf"));
    for file in [own.or(home), system].into_iter().flatten() {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let mut lines = text.lines().map(str::trim);
        if lines.by_ref().any(|line| line == format!("[{service}]")) {
            let section = lines.take_while(|line| !line.starts_with('['));
            let pairs = section.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
            return Ok(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect());
        }
    }
    Err(LiveError::Url(format!("no service file has a section [{service}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libpq_reads() {
        for (text, described) in [
            ("postgres://me:secret@db.example:6000/shop", "database `shop` at db.example:6000"),
            ("postgres://me@/shop?host=/run/pg&port=5499", "database `shop` at /run/pg:5499"),
            ("host=/run/pg port=5499 dbname='my shop' user=me password=s\\'x", "database `my shop` at /run/pg:5499"),
            ("postgresql://me@h/shop?connect_timeout=3", "database `shop` at h:5432"),
        ] {
            assert_eq!(Target::parse(Some(text)).unwrap().describe(), described);
        }
        assert!(Target::parse(Some("nonsense")).is_err());
        assert!(Target::parse(Some("host='open")).is_err());
    }
}
