//! Items of an import, cut into transactions.
//!
//! As long as the keys grow, each batch touches only the right edge of the tree, so batches grow
//! too; the first key out of order ends that, and batches get their small size again: each of their
//! items may touch a page of its own.

use std::io::BufRead;
use std::path::Path;

use sop_host::Item;

use super::failure::Failure;
use super::json::ItemLine;
use super::lines::{Line, Lines};

/// Items of a transaction while keys come in any order.
pub(crate) const BATCH_ITEMS_DEFAULT: usize = 2_000;
/// Items of a transaction while keys only grow.
const SORTED_ITEMS_MAX: usize = 50_000;
/// Bytes of keys and values after which a batch ends in any case.
const BATCH_BYTES_MAX: usize = 16 << 20;
const _: () = assert!(SORTED_ITEMS_MAX <= sop_engine::limits::WRITES_MAX);
const _: () = assert!(
    BATCH_BYTES_MAX + sop_engine::limits::VALUE_BYTES_MAX <= sop_engine::limits::WRITE_BYTES_MAX
);

/// The items of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In the order of their lines.
    pub(crate) items: Vec<Item>,
    /// The number of the last line that belongs to it.
    pub(crate) line_last: u64,
    /// Bytes of input up to its end.
    pub(crate) input_bytes: u64,
    /// Lines that were skipped because they are bad, up to its end.
    pub(crate) skipped: u64,
    /// Whether all keys so far were in growing order.
    pub(crate) is_sorted: bool,
}

/// Reads lines and cuts batches.
pub(crate) struct Batches<R> {
    lines: Lines<R>,
    /// Where the lines come from, for messages.
    source: String,
    /// The size of every batch, if the user chose one.
    items_max: Option<usize>,
    /// Called with what is wrong with a line; answers whether to go on.
    skip: Box<dyn FnMut(&str) -> bool + Send>,
    is_sorted: bool,
    greatest: Vec<u8>,
    sorted_items_max: usize,
    skipped: u64,
}

impl<R: BufRead> Batches<R> {
    /// Batches of these lines. `skip` decides over bad ones.
    pub(crate) fn new(
        lines: Lines<R>,
        source: &Path,
        items_max: Option<usize>,
        skip: impl FnMut(&str) -> bool + Send + 'static,
    ) -> Self {
        Self {
            lines,
            source: source.display().to_string(),
            items_max,
            skip: Box::new(skip),
            is_sorted: true,
            greatest: Vec::new(),
            sorted_items_max: BATCH_ITEMS_DEFAULT,
            skipped: 0,
        }
    }

    /// The next batch; `None` = the end of the input. The last one may have lines, but no items.
    /// After a failure nothing of the batch may be used.
    pub(crate) fn next(&mut self) -> Result<Option<Batch>, Failure> {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let lines_before = self.lines.number();
        while batch.items.len() < self.items_max() && bytes < BATCH_BYTES_MAX {
            let Some(line) = self
                .lines
                .next()
                .map_err(|error| Failure::file(Path::new(&self.source), &error))?
            else {
                break;
            };
            match parse(line) {
                Ok(None) => {}
                Ok(Some(item)) => {
                    bytes += item.key.len() + item.value.len();
                    self.observe(&item.key);
                    batch.items.push(item);
                }
                Err(why) => self.bad(&why)?,
            }
        }
        if self.lines.number() == lines_before {
            return Ok(None);
        }
        if self.is_sorted {
            self.sorted_items_max = SORTED_ITEMS_MAX.min(self.sorted_items_max * 2);
        }
        batch.line_last = self.lines.number();
        batch.input_bytes = self.lines.bytes();
        batch.skipped = self.skipped;
        batch.is_sorted = self.is_sorted;
        Ok(Some(batch))
    }

    fn items_max(&self) -> usize {
        match self.items_max {
            Some(items_max) => items_max,
            None if self.is_sorted => self.sorted_items_max,
            None => BATCH_ITEMS_DEFAULT,
        }
    }

    fn observe(&mut self, key: &[u8]) {
        if self.is_sorted && key <= self.greatest.as_slice() {
            self.is_sorted = false;
        }
        if self.is_sorted {
            key.clone_into(&mut self.greatest);
        }
    }

    fn bad(&mut self, why: &str) -> Result<(), Failure> {
        let message = format!("{}: line {}: {why}", self.source, self.lines.number());
        if !(self.skip)(&message) {
            return Err(Failure::usage(message));
        }
        self.skipped += 1;
        Ok(())
    }
}

/// The item of a line; a blank line has none.
fn parse(line: Line) -> Result<Option<Item>, String> {
    use sop_engine::limits::{KEY_BYTES_MAX, VALUE_BYTES_MAX};
    let line = match line {
        Line::TooLong => {
            return Err(format!(
                "longer than {} bytes",
                super::lines::LINE_BYTES_MAX
            ));
        }
        Line::Whole(line) if line.trim_ascii().is_empty() => return Ok(None),
        Line::Whole(line) => line,
    };
    let item: ItemLine = serde_json::from_slice(&line).map_err(|error| reason(&error))?;
    let (key, value) = (item.key.0, item.value.0);
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(format!(
            "a key of {} bytes: keys have 1 to {KEY_BYTES_MAX} bytes",
            key.len()
        ));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!(
            "a value of {} bytes: values have at most {VALUE_BYTES_MAX} bytes",
            value.len()
        ));
    }
    Ok(Some(Item { key, value }))
}

/// What is wrong with a line of JSON; its own line number, always 1, would only mislead.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&suffix) {
        Some(text) => format!("{text} at column {}", error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop")]
    use super::*;

    fn batches(text: &str, items_max: Option<usize>, skip: bool) -> Batches<&[u8]> {
        Batches::new(
            Lines::new(text.as_bytes(), 1 << 20),
            Path::new("items"),
            items_max,
            move |_| skip,
        )
    }

    fn lines(keys: impl IntoIterator<Item = usize>) -> String {
        keys.into_iter()
            .map(|key| format!("{{\"key\":\"{key:08}\",\"value\":\"v\"}}\n"))
            .collect()
    }

    fn sizes(mut batches: Batches<&[u8]>) -> Vec<usize> {
        std::iter::from_fn(|| batches.next().unwrap())
            .map(|batch| batch.items.len())
            .collect()
    }

    #[test]
    fn batches_grow_while_keys_grow() {
        assert_eq!(
            sizes(batches(&lines(0..15_000), None, false)),
            [2_000, 4_000, 8_000, 1_000]
        );
        let shuffled = lines((0..5_000).map(|key| key * 7_919 % 5_000));
        assert_eq!(
            sizes(batches(&shuffled, None, false)),
            [2_000, 2_000, 1_000]
        );
        assert_eq!(sizes(batches(&lines(0..5), Some(2), false)), [2, 2, 1]);
    }

    #[test]
    fn an_equal_key_is_out_of_order() {
        let batch = batches(&lines([1, 2, 2]), None, false)
            .next()
            .unwrap()
            .unwrap();
        assert!(!batch.is_sorted);
        assert!(
            batches(&lines([1, 2, 3]), None, false)
                .next()
                .unwrap()
                .unwrap()
                .is_sorted
        );
    }

    #[test]
    fn a_bad_line_is_named_and_its_batch_is_lost() {
        let text = lines([1, 2]) + "{\"key\":1}\n" + &lines([3]);
        let mut batches = batches(&text, Some(2), false);
        assert_eq!(batches.next().unwrap().unwrap().line_last, 2);
        let failure = batches.next().unwrap_err();
        assert!(
            failure.message.starts_with("items: line 3: "),
            "{}",
            failure.message
        );
        assert_eq!(failure.kind, "invalid");
    }

    #[test]
    fn bad_lines_can_be_skipped_and_are_counted() {
        let text = String::from("nonsense\n\n") + &lines([1]) + "{\"key\":\"\",\"value\":\"\"}\n";
        let mut batches = batches(&text, None, true);
        let batch = batches.next().unwrap().unwrap();
        assert_eq!(
            (batch.items.len(), batch.line_last, batch.skipped),
            (1, 4, 2)
        );
        assert!(batches.next().unwrap().is_none());
    }

    #[test]
    fn an_empty_input_has_no_batch() {
        assert!(batches("", None, false).next().unwrap().is_none());
        assert_eq!(sizes(batches("\n\n", None, false)), [0]);
    }

    #[test]
    fn messages_name_the_column_and_no_inner_line() {
        let error = serde_json::from_str::<ItemLine>("{\"key\":1}").unwrap_err();
        let text = reason(&error);
        assert!(
            text.contains("column 8") && !text.contains("line"),
            "{text}"
        );
    }
}
