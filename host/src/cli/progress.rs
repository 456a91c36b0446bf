//! Progress bars of long commands, on stderr, for people only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::quantity;

/// Redraws per second.
const REDRAWS_PER_SECOND: u8 = 10;
/// A bar whose end is known, in bytes.
const BYTES: &str =
    "{spinner} {wide_bar} {binary_bytes} of {binary_total_bytes}  {msg}  {eta} left";
/// A bar whose end is known, in items.
const ITEMS: &str = "{spinner} {wide_bar} {human_pos} of {human_len}  {msg}  {eta} left";
/// Work of unknown length.
const OPEN: &str = "{spinner} {msg}  {elapsed}";

/// One progress bar. Cleared when it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new(visible: bool) -> Self {
        let target = match visible {
            true => ProgressDrawTarget::stderr_with_hz(REDRAWS_PER_SECOND),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(style(OPEN));
        Self { bar }
    }

    /// Makes it a bar of this many bytes.
    pub(crate) fn bytes(&self, total: u64) {
        self.bar.set_style(style(BYTES));
        self.bar.set_length(total);
    }

    /// Shows this many units as done, of so many.
    pub(crate) fn units(&self, done: u64, total: u64) {
        if self.bar.length().is_none() {
            self.bar.set_style(style(ITEMS));
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Shows this many bytes as done.
    pub(crate) fn position(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Shows this many items as done, with their rate.
    pub(crate) fn items(&self, done: u64) {
        let rate = quantity::rate(done, self.bar.elapsed());
        self.bar
            .set_message(format!("{} items, {rate}/s", quantity::count(done)));
        self.bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A style from a template; the templates above are checked by a test.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [BYTES, ITEMS, OPEN] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_hidden_bar_counts_all_the_same() {
        let progress = Progress::new(false);
        progress.units(3, 10);
        assert_eq!(
            (progress.bar.position(), progress.bar.length()),
            (3, Some(10))
        );
    }
}
