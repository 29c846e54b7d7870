//! The first pass over a table.

use std::io;

use super::header::column_names;
use super::infer::Inference;
use super::measure::Measuring;
use super::table::Table;
use crate::csvfile::{Row, Rows};

impl Table {
    /// Learns what the columns are. On the way it takes the figures of a plan that was guessed.
    pub(super) fn infer(&mut self, rows: &mut Rows<'_>, m: &mut Measuring) -> io::Result<()> {
        let mut columns = self.inferences();
        self.pass_header(rows)?;
        let mut number = 0;
        while let Some(row) = rows.next()? {
            self.note_width(&row, columns.len());
            for (i, column) in columns.iter_mut().enumerate() {
                column.add(row.bytes(i), row.line);
            }
            for (x, planned) in m.numbers.iter_mut().zip(&m.plan.numbers) {
                let column = columns.get(planned.index);
                *x = column
                    .and_then(|column| column.number(planned.how))
                    .unwrap_or(f64::NAN);
            }
            if m.row(number, &row) {
                m.measure();
            }
            number += 1;
        }
        self.rows = number;
        m.end();
        self.decide(columns);
        Ok(())
    }

    fn inferences(&self) -> Vec<Inference> {
        let mut names = self.layout.names.clone();
        let mut width = self.layout.dialect.width;
        if self.layout.trailing {
            width = width.saturating_sub(1);
            names.truncate(width);
        } else if names.len() + 1 == width && width > 1 {
            // One name less than there are cells: the first column counts or names the rows, as R writes it.
            names.insert(0, String::new());
        }
        let names = column_names(&names, width.max(names.len()));
        let columns = names.len();
        let named = names.into_iter().enumerate();
        named
            .map(|(index, name)| Inference::new(index, name, columns))
            .collect()
    }

    /// Counts a row that has not as many cells as there are columns. An empty cell at the end is none.
    #[inline]
    fn note_width(&mut self, row: &Row<'_>, want: usize) {
        if row.width < want {
            self.short.add(row.line);
        } else if row.width > want
            && (row.width != want + 1 || row.len() < row.width || !row.bytes(want).is_empty())
        {
            self.long.add(row.line);
        }
    }
}
