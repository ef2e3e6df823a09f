//! Accounts come into memory with what was spent before.

use insula_model::{Result, Subject, Window};

use super::{Accounts, Amounts, account::Account};

/// How often an end user's past is read before what settled meanwhile is counted on top of it, perhaps twice.
const OPENING_TRIES: u32 = 3;

impl Accounts {
    /// Makes sure that these accounts are in memory. After the first time this is one look under a lock. Among several nodes
    /// there is nothing to open: what is spent stands where all see it.
    ///
    /// # Errors
    /// When storage cannot be read.
    pub async fn open(&self, subjects: &[Subject]) -> Result<()> {
        if self.shared.is_some() {
            return Ok(());
        }
        let missing = self.state.lock().book.missing(subjects);
        for subject in missing {
            if let Subject::EndUser(..) = subject {
                self.open_end_user(subject).await?;
                continue;
            }
            let account = self.spent_so_far(&subject).await?;
            // Whoever loaded it first wins: nothing was reserved before the first load ended.
            self.state.lock().book.insert_if_missing(subject, account);
        }
        Ok(())
    }

    /// Opens the account of an end user who has a budget now. Something may be under way for it, unlike for others, whose
    /// accounts are there before.
    async fn open_end_user(&self, subject: Subject) -> Result<()> {
        let _turn = self.opening.lock().await;
        for tries_left in (0..OPENING_TRIES).rev() {
            if !self.state.lock().book.begin_opening(subject, self.clock.now()) {
                return Ok(());
            }
            // What ended before is on the way to where the past is read.
            self.store.flush_ledger().await?;
            let account = self.spent_so_far(&subject).await?;
            if self.state.lock().book.end_opening(subject, account, self.clock.now(), tries_left == 0) {
                break;
            }
        }
        Ok(())
    }

    /// An account with what is settled of its subject in the running windows.
    async fn spent_so_far(&self, subject: &Subject) -> Result<Account> {
        let now = self.clock.now();
        let spent = self.store.control().spend_since(subject, Window::Month.span(now).start).await?;
        let spent = spent.iter().map(|hour| (hour.hour, Amounts { money: hour.money, tokens: hour.tokens }));
        Ok(Account::starting_with(now, spent))
    }
}
