//! Small aligned tables for the terminal.
//!
//! Cells come out of archives: whatever could steer a terminal, or reorder or hide what stands beside it, is shown as
//! its code instead.

use std::fmt;

/// A column of a [`Table`].
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    align_right: bool,
    max_chars: usize,
}

impl Column {
    /// A column of texts, aligned left.
    pub fn left(title: impl Into<String>) -> Column {
        Column { title: title.into(), align_right: false, max_chars: usize::MAX }
    }

    /// A column of numbers, aligned right.
    pub fn right(title: impl Into<String>) -> Column {
        Column { align_right: true, ..Column::left(title) }
    }

    /// Cuts cells to this many characters, at least 1; a cut one ends in `…`.
    #[must_use]
    pub fn at_most(mut self, chars: usize) -> Column {
        self.max_chars = chars.max(1);
        self
    }
}

/// A table: a line of titles, then a line a row. Widths are in characters; lines have no trailing spaces.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row, a cell a column; absent cells are empty, cells without a column are left out.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) -> &mut Table {
        let mut cells = cells.into_iter();
        let row = self
            .columns
            .iter()
            .map(|column| {
                cells.next().map(|cell| printable(cell.as_ref(), column.max_chars)).unwrap_or_default()
            })
            .collect();
        self.rows.push(row);
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles: Vec<String> =
            self.columns.iter().map(|column| printable(&column.title, column.max_chars)).collect();
        let lines = || std::iter::once(&titles).chain(&self.rows);
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|index| lines().map(|line| width(&line[index])).max().unwrap_or(0))
            .collect();
        for line in lines() {
            let mut text = String::new();
            for ((cell, column), &columns) in line.iter().zip(&self.columns).zip(&widths) {
                if !text.is_empty() {
                    text.push_str("  ");
                }
                let padding = " ".repeat(columns - width(cell));
                let (before, after) =
                    if column.align_right { (padding.as_str(), "") } else { ("", padding.as_str()) };
                text.extend([before, cell, after]);
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

/// `text` so that a terminal only shows it, in at most `max_chars` characters; only as much of it is looked at.
pub fn printable(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut chars = 0;
    // Where the text is to be cut if it turns out too long: before the last character allowed, for the `…`.
    let mut cut = 0;
    for character in text.chars() {
        let escaped: String = match character {
            '\t' => "\\t".to_owned(),
            '\r' => "\\r".to_owned(),
            '\n' => "\\n".to_owned(),
            _ if steers(character) => character.escape_unicode().collect(),
            _ => character.to_string(),
        };
        let width = escaped.chars().count();
        if chars + width > max_chars {
            shown.truncate(cut);
            shown.push('…');
            break;
        }
        shown.push_str(&escaped);
        chars += width;
        if chars < max_chars {
            cut = shown.len();
        }
    }
    shown
}

/// U+200C and U+200D say how letters are joined: Persian, Hindi and emoji are spelt with them. They take no column.
fn joins(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

/// Columns of a text that is printable.
fn width(text: &str) -> usize {
    text.chars().filter(|&character| !joins(character)).count()
}

/// Control characters, line and paragraph separators, marks that reorder text, and those that take no space, but for
/// [joiners](joins).
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::{Column, Table, printable};

    #[test]
    fn columns_are_aligned_and_long_cells_cut() {
        let mut table =
            Table::new([Column::right("score"), Column::left("url").at_most(12), Column::left("title")]);
        table.row(["0.98", "http://a.example/long", "Kräuter"]);
        table.row(["1", "http://b/", ""]);
        table.row(["0.5", "123456789012"]);
        let expected = "\
score  url           title
 0.98  http://a.ex…  Kräuter
    1  http://b/
  0.5  123456789012
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn an_empty_first_cell_keeps_its_column() {
        let mut table = Table::new([Column::left("a"), Column::left("b")]);
        table.row(["", "x"]);
        assert_eq!(table.to_string(), "a  b\n   x\n");
    }

    #[test]
    fn joiners_are_shown_and_take_no_column() {
        let mut table = Table::new([Column::left("title"), Column::left("b")]);
        table.row(["سیستم\u{200c}های", "x"]);
        table.row(["क्\u{200d}ष", "x"]);
        assert_eq!(table.to_string(), "title     b\nسیستم\u{200c}های  x\nक्\u{200d}ष       x\n");
    }

    #[test]
    fn what_could_steer_a_terminal_is_escaped() {
        let check =
            |text, max_chars, expected: &str| assert_eq!(printable(text, max_chars), expected, "{text:?}");
        check("\u{1b}[2Jgone", 80, "\\u{1b}[2Jgone");
        check("a\r\n\tb", 80, "a\\r\\n\\tb");
        check("\u{9b}31m\u{7f}", 80, "\\u{9b}31m\\u{7f}");
        check("evil\u{202e}gpj.exe", 80, "evil\\u{202e}gpj.exe");
        check(
            "\u{202a}\u{2066}\u{2069}\u{200e}\u{200f}",
            80,
            "\\u{202a}\\u{2066}\\u{2069}\\u{200e}\\u{200f}",
        );
        check("a\u{200b}\u{feff}", 80, "a\\u{200b}\\u{feff}");
        check("日本語 ok", 80, "日本語 ok");
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("ab\u{1b}", 4, "ab…");
        check("abc\u{1b}", 3, "ab…");
        check("", 1, "");
        check("ab", 1, "…");
    }
}
