//! Where the database is: URLs and `key=value` strings as libpq reads them, its environment variables, its service
//! file. sqlx knows most of it; what it does not know is added here.

use std::{env, path::PathBuf, str::FromStr as _, time::Duration};

use sea_orm::sqlx::{
    ConnectOptions as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::error::LiveError;

/// Where libpq looks for a server when no host is given.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

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
    /// The text is neither, or a service is named that no service file has.
    pub fn parse(text: Option<&str>) -> Result<Self, LiveError> {
        let text = text.unwrap_or_default().trim();
        let mut options = PgConnectOptions::new_without_pgpass();
        let mut timeout = env::var("PGCONNECT_TIMEOUT").ok().and_then(|seconds| seconds.parse().ok());
        let mut service = env::var("PGSERVICE").ok();
        let mut pairs = Vec::new();
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            let (url, extra) = take_apart(text);
            options = PgConnectOptions::from_str(&url).map_err(|error| LiveError::Url(error.to_string()))?;
            pairs = extra;
        } else if !text.is_empty() {
            pairs = key_values(text)?;
        }
        pairs.retain(|(key, value)| match key.as_str() {
            "service" => {
                service = Some(value.clone());
                false
            }
            "connect_timeout" => {
                timeout = value.parse().ok();
                false
            }
            _ => true,
        });
        if let Some(service) = service {
            let mut of_service = service_pairs(&service)?;
            of_service.extend(pairs);
            pairs = of_service;
        }
        for (key, value) in pairs {
            options = with(options, &key, &value)?;
        }
        let timeout = Duration::from_secs(timeout.filter(|seconds| *seconds > 0).unwrap_or(30));
        let options = options.application_name("reconcile").statement_cache_capacity(0);
        Ok(Self { options: options.disable_statement_logging(), timeout })
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

    /// The same server, another database.
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
                LiveError::Url(message) | LiveError::Connect { message, .. } => message,
            })),
            Err(_) => Err(failed(format!("no answer within {} s", self.timeout.as_secs()))),
        }
    }
}

type Pairs = Vec<(String, String)>;

/// What sqlx reads of a URL, and the pairs of its query that only we read. An authority without a host, as in
/// `postgres://user@/db?host=/run`, is libpq's way to say "a socket".
fn take_apart(url: &str) -> (String, Pairs) {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let mut ours = Pairs::new();
    let mut theirs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some((key @ ("connect_timeout" | "service" | "application_name" | "fallback_application_name"), value)) => {
                ours.push((key.to_owned(), value.to_owned()));
            }
            _ => theirs.push(pair),
        }
    }
    let hostless = authority.ends_with('@') || authority.contains("@:");
    let authority = if hostless {
        if !theirs.iter().any(|pair| pair.starts_with("host=")) {
            ours.push(("host".to_owned(), default_socket()));
        }
        authority.replacen('@', "@localhost", 1)
    } else {
        authority.to_owned()
    };
    let query = if theirs.is_empty() { String::new() } else { format!("?{}", theirs.join("&")) };
    (format!("{scheme}://{authority}{path}{query}"), ours)
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

fn with(options: PgConnectOptions, key: &str, value: &str) -> Result<PgConnectOptions, LiveError> {
    Ok(match key {
        "host" if value.starts_with('/') => options.socket(value),
        "host" | "hostaddr" => options.host(value),
        "port" => match value.parse() {
            Ok(port) => options.port(port),
            Err(_) => return Err(LiveError::Url(format!("`{value}` is no port"))),
        },
        "user" => options.username(value),
        "password" => options.password(value),
        "dbname" => options.database(value),
        "sslmode" => match PgSslMode::from_str(value) {
            Ok(mode) => options.ssl_mode(mode),
            Err(_) => return Err(LiveError::Url(format!("`{value}` is no sslmode"))),
        },
        "sslrootcert" => options.ssl_root_cert(value),
        "sslcert" => options.ssl_client_cert(value),
        "sslkey" => options.ssl_client_key(value),
        // libpq's other keys tune what sqlx does not have; a session works without them.
        _ => options,
    })
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
