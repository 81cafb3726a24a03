//! The rows of a statement's answer, as text, and how to read their cells. All cells share one string, since a catalog
//! has tens of thousands of rows.

use serde::de::DeserializeOwned;

use super::name::{Ident, QualifiedName};

/// The rows of one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    text: String,
    /// Where each cell ends in the text; `None` for NULL.
    cells: Vec<Option<u32>>,
    /// The end of the cells of each row.
    ends: Vec<u32>,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    rows: &'a Rows,
    first: usize,
    end: usize,
}

/// Why an answer differs from what the query should return: a bug of this program, or a server that is not PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A statement has no result.
    #[error("the server gave no result for statement {0} of a batch")]
    Statement(usize),
    /// A query that must return a row has returned none.
    #[error("the server answered without a row")]
    Row,
    /// A cell has an unexpected value.
    #[error("column {column} of a catalog query is not {expected}, but {found}")]
    Cell {
        /// The column, from 0.
        column: usize,
        /// The expected value.
        expected: &'static str,
        /// The value found.
        found: String,
    },
}

/// A type that a cell can be read as.
pub trait Cell<'a>: Sized {
    /// The name of the type, for the error.
    const EXPECTED: &'static str;

    /// Reads the text of a cell, `None` for NULL. Returns `None` if the text is not such a value.
    fn read(text: Option<&'a str>) -> Option<Self>;
}

impl Rows {
    /// Adds a row.
    pub fn push<'c>(&mut self, cells: impl IntoIterator<Item = Option<&'c str>>) {
        for cell in cells {
            let end = cell.map(|text| {
                self.text.push_str(text);
                position(self.text.len())
            });
            self.cells.push(end);
        }
        self.ends.push(position(self.cells.len()));
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        let mut first = 0;
        self.ends.iter().map(move |end| {
            let row = Row { rows: self, first, end: *end as usize };
            first = row.end;
            row
        })
    }

    /// The first row.
    ///
    /// # Errors
    /// There are no rows.
    pub fn one(&self) -> Result<Row<'_>, DecodeError> {
        self.iter().next().ok_or(DecodeError::Row)
    }

    /// The values of one column.
    ///
    /// # Errors
    /// A cell does not hold such a value.
    pub fn column<'a, T: Cell<'a>>(&'a self, column: usize) -> Result<Vec<T>, DecodeError> {
        self.iter().map(|row| row.get(column)).collect()
    }

    /// The JSON texts in the first column of all rows.
    ///
    /// # Errors
    /// A cell does not hold such a value.
    pub fn objects<T: DeserializeOwned>(&self) -> Result<Vec<T>, DecodeError> {
        self.iter().map(|row| row.json(0)).collect()
    }
}

/// An answer is far shorter than four gigabytes: the server cannot send a longer one.
fn position(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl<'a> Row<'a> {
    /// The text of a cell; `None` if it is NULL or the row has fewer cells.
    #[must_use]
    pub fn text(&self, column: usize) -> Option<&'a str> {
        let cell = self.first + column;
        let end = self.rows.cells[..self.end].get(cell).copied().flatten()? as usize;
        let before = self.rows.cells[..cell].iter().rev().find_map(|end| *end).unwrap_or(0) as usize;
        self.rows.text.get(before..end)
    }

    /// The value of a cell.
    ///
    /// # Errors
    /// The cell does not hold such a value.
    pub fn get<T: Cell<'a>>(&self, column: usize) -> Result<T, DecodeError> {
        let text = self.text(column);
        T::read(text).ok_or_else(|| wrong(column, T::EXPECTED, text))
    }

    /// The name in two cells, the first of which holds the schema.
    ///
    /// # Errors
    /// A cell is NULL.
    pub fn name(&self, column: usize) -> Result<QualifiedName, DecodeError> {
        Ok(QualifiedName::new(Ident::from_server(self.get(column)?), Ident::from_server(self.get(column + 1)?)))
    }

    /// The value of a cell that holds JSON.
    ///
    /// # Errors
    /// The cell does not hold such a value.
    pub fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, DecodeError> {
        let text = self.get(column)?;
        serde_json::from_str(text).map_err(|error| wrong(column, "the expected JSON", Some(&error.to_string())))
    }

    /// The value of a cell that holds JSON; the default if the cell is NULL.
    ///
    /// # Errors
    /// The cell does not hold such a value.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self, column: usize) -> Result<T, DecodeError> {
        if self.text(column).is_some() { self.json(column) } else { Ok(T::default()) }
    }
}

fn wrong(column: usize, expected: &'static str, found: Option<&str>) -> DecodeError {
    DecodeError::Cell { column, expected, found: found.unwrap_or("NULL").to_owned() }
}

impl<'a> Cell<'a> for &'a str {
    const EXPECTED: &'static str = "text";

    fn read(text: Option<&'a str>) -> Option<Self> {
        text
    }
}

impl<'a> Cell<'a> for String {
    const EXPECTED: &'static str = "text";

    fn read(text: Option<&'a str>) -> Option<Self> {
        text.map(str::to_owned)
    }
}

impl<'a> Cell<'a> for bool {
    const EXPECTED: &'static str = "a boolean";

    fn read(text: Option<&'a str>) -> Option<Self> {
        match text? {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }
}

macro_rules! numbers {
    ($($type:ty),*) => {
        $(impl<'a> Cell<'a> for $type {
            const EXPECTED: &'static str = "a number";

            fn read(text: Option<&'a str>) -> Option<Self> {
                text?.parse().ok()
            }
        })*
    };
}

numbers!(i16, i32, i64, u32, u64, usize, f64);

impl<'a, T: Cell<'a>> Cell<'a> for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn read(text: Option<&'a str>) -> Option<Self> {
        match text {
            None => Some(None),
            text => T::read(text).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_they_were() {
        let mut rows = Rows::default();
        rows.push([Some("a"), None, Some("")]);
        rows.push([]);
        rows.push([None, Some("12"), Some("t")]);
        let all: Vec<_> = rows.iter().collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].text(0), all[0].text(1), all[0].text(2), all[0].text(3)), (Some("a"), None, Some(""), None));
        assert_eq!(all[2].get::<Option<&str>>(0), Ok(None));
        assert_eq!(all[2].get::<u32>(1), Ok(12));
        assert_eq!(all[2].get::<bool>(2), Ok(true));
        assert!(matches!(all[0].get::<u32>(0), Err(DecodeError::Cell { column: 0, .. })));
        assert!(matches!(all[2].get::<&str>(0), Err(DecodeError::Cell { column: 0, .. })));
    }
}
