//! How a server is to run: its settings, as a caller gives them and as they go to its configuration file.

use std::fmt::Write;
use std::path::Path;

/// Quick and small, since the data is thrown away. No TCP: the socket's directory is private, so nobody needs a password.
const SETTINGS: [(&str, &str); 8] = [
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("shared_buffers", "128MB"),
    ("max_connections", "100"),
    ("timezone", "UTC"),
];

/// Only the name of the socket: each server has its own directory for it.
const DEFAULT_PORT: u16 = 5432;

/// How a server is to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Settings as in `postgresql.conf`, without quotes, such as `("wal_level", "logical")`. They win over the
    /// defaults, which trade safety of the data for speed (`fsync = off`) and open no TCP port.
    pub settings: Vec<(String, String)>,
}

impl Options {
    /// The same with one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The port; 5432 if the settings name none that could be one.
    pub(crate) fn port(&self) -> u16 {
        let mut given = self.settings.iter().rev().filter(|(name, _)| name == "port");
        given.find_map(|(_, value)| value.parse().ok()).unwrap_or(DEFAULT_PORT)
    }

    /// Lines to append to a `postgresql.conf`: of a setting that is there twice, the last counts.
    pub(crate) fn conf(&self, sockets: &Path) -> String {
        let (sockets, port) = (sockets.to_string_lossy(), self.port().to_string());
        let own = [("unix_socket_directories", &*sockets), ("port", &port)];
        let given = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut lines = String::from("\n");
        for (name, value) in SETTINGS.into_iter().chain(given).chain(own) {
            let _ = writeln!(lines, "{name} = '{}'", value.replace('\'', "''"));
        }
        lines
    }
}
