//! Counts and prints what holds and what does not.

use anyhow::{Result, ensure};

/// The outcome so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    passed: u32,
    failed: u32,
}

impl Report {
    /// Begins a group of behaviours.
    pub fn heading(&self, text: &str) {
        println!("\n-- {text}");
    }

    /// Records one behaviour.
    pub fn record(&mut self, behaviour: &str, result: Result<()>) {
        match result {
            Ok(()) => self.line(&format!("ok - {behaviour}")),
            Err(reason) => self.line(&format!("not ok - {behaviour}: {reason:#}")),
        }
    }

    /// Records a line as the client programs print it; a line of another form is only shown.
    pub fn line(&mut self, line: &str) {
        println!("   {line}");
        if line.starts_with("ok - ") {
            self.passed += 1;
        } else if line.starts_with("not ok - ") {
            self.failed += 1;
        }
    }

    /// Says what is not looked at, and why.
    pub fn skipped(&self, why: &str) {
        println!("   skipped: {why}");
    }

    /// How many behaviours were recorded.
    pub fn count(&self) -> u32 {
        self.passed + self.failed
    }

    /// Prints the totals.
    ///
    /// # Errors
    /// When a behaviour failed, or none was looked at.
    pub fn finish(self) -> Result<()> {
        println!("\n{} passed, {} failed", self.passed, self.failed);
        ensure!(self.failed == 0, "{} behaviours failed", self.failed);
        ensure!(self.passed > 0, "nothing was looked at");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn only_a_report_with_passes_and_no_failures_succeeds() {
        let mut report = Report::default();
        assert!(report.finish().is_err());
        report.record("a", Ok(()));
        report.line("ok - b");
        report.line("some output");
        assert_eq!(report, Report { passed: 2, failed: 0 });
        report.finish().unwrap();
        report.record("c", Err(anyhow!("no")));
        assert!(report.finish().is_err());
    }
}
