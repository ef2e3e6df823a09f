//! Proof that the accounts follow from the ledger.

use std::collections::BTreeMap;

use insula_model::{EndUserId, KeyId, Money, Result, Subject, TenantId, Timestamp, Window, WindowSpan};

use super::{Control, ledger::subjects, usage::joined};
use crate::query::{Db, Rec, Row, Tx, args, aside, rec};

/// How many disagreements are told in words.
const MISMATCHES_MAX: usize = 100;

/// Where an account's hour stops counting.
const LARGEST: (Money, i128) = (Money::from_pico(i64::MAX as i128), i64::MAX as i128);

const HOUR_MICROS: i64 = 3_600_000_000;

/// What `ledger verify` found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerVerification {
    /// Ledger rows read, corrections included.
    pub rows: u64,
    /// The sum of their costs.
    pub ledger_total: Money,
    /// What the platform's account says was spent.
    pub accounts_total: Money,
    /// `ledger_total` less `accounts_total`: zero when all is well.
    pub difference: Money,
    /// What does not agree, in words: an account's hour that is not the sum of its rows, an attempt of which a part is more than the whole,
    /// a damaged page. The first hundred.
    pub mismatches: Vec<String>,
}

impl Control {
    /// Recomputes every account from the ledger, hour by hour, and checks the file itself. Reads everything.
    pub async fn verify_ledger(&self) -> Result<LedgerVerification> {
        let _turn = self.sum_turn(None).await?;
        let db = self.db.clone();
        aside(async move { verify(&db).await }).await
    }
}

async fn verify(db: &Db) -> Result<LedgerVerification> {
    let mut found = LedgerVerification::default();
    let mut tx = db.read().await?;
    let mut cursor = Timestamp::from_micros(i64::MIN);
    // A day at a time, so that memory stays bounded however long the ledger is.
    while let Some(next) = earliest(&mut tx, cursor).await? {
        let day = Window::Day.span(next);
        verify_day(&mut tx, day, &mut found).await?;
        cursor = day.end;
    }
    drop(tx);
    found.difference = found.ledger_total - found.accounts_total;
    found.mismatches.extend(db.damages().await?);
    found.mismatches.truncate(MISMATCHES_MAX);
    Ok(found)
}

/// The first moment from `cursor` on with a ledger row or an account.
async fn earliest(tx: &mut Tx, cursor: Timestamp) -> Result<Option<Timestamp>> {
    struct Earliest {
        moment: Option<Timestamp>,
    }
    rec!(Earliest { moment });
    let sql = "SELECT MIN(moment) AS moment FROM (SELECT MIN(reserved_at) AS moment FROM ledger WHERE reserved_at >= $1 \
               UNION ALL SELECT MIN(hour) AS moment FROM spend_hour WHERE hour >= $1) AS moments";
    Ok(tx.one::<Earliest>(sql, args![cursor]).await?.moment)
}

/// The ledger's sum for one key and hour.
struct HourSum {
    tenant: TenantId,
    key: Option<KeyId>,
    end_user: Option<EndUserId>,
    hour: Timestamp,
    rows: u64,
    money: Money,
    /// Signed, because corrections are.
    tokens: i64,
    /// Attempts of which more kept the tenant apart than was used in all.
    beyond: u64,
}

impl Rec for HourSum {
    fn read(row: &Row<'_>) -> Result<Self> {
        Ok(HourSum {
            tenant: row.get("tenant")?,
            key: row.get("key_id")?,
            end_user: row.get("end_user")?,
            hour: Timestamp::from_micros(row.get::<i64>("hour")? * HOUR_MICROS),
            rows: row.get("attempts")?,
            money: joined(row.get("cost_high")?, row.get("cost_low")?),
            tokens: row.get("tokens")?,
            beyond: row.get("beyond")?,
        })
    }
}

struct Account {
    subject: Subject,
    hour: Timestamp,
    money: Money,
    tokens: u64,
}
rec!(Account { subject, hour, money, tokens });

async fn verify_day(tx: &mut Tx, day: WindowSpan, found: &mut LedgerVerification) -> Result<()> {
    let sums: Vec<HourSum> = tx
        .all(
            "SELECT tenant, key_id, end_user, reserved_at / 3600000000 AS hour, COUNT(*) AS attempts, \
             CAST(SUM(cost / 1000000) AS BIGINT) AS cost_high, CAST(SUM(cost % 1000000) AS BIGINT) AS cost_low, \
             CAST(SUM(input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens + output_tokens + \
             reasoning_tokens) AS BIGINT) \
             AS tokens, COUNT(CASE WHEN correction = 0 AND (isolation_cost > cost OR isolation_input_tokens > input_tokens \
             OR isolation_cache_read_tokens > cache_read_tokens OR isolation_cache_write_tokens > cache_write_tokens \
             OR isolation_cache_write_1h_tokens > cache_write_1h_tokens) THEN 1 END) AS beyond FROM ledger WHERE reserved_at >= $1 AND reserved_at < $2 GROUP BY tenant, key_id, end_user, \
             reserved_at / 3600000000",
            args![day.start, day.end],
        )
        .await?;
    let accounts: Vec<Account> = tx
        .all("SELECT subject, hour, money, tokens FROM spend_hour WHERE hour >= $1 AND hour < $2", args![day.start, day.end])
        .await?;

    // Per subject and hour: what the ledger says, what the account says.
    let mut sides: BTreeMap<(Subject, Timestamp), [(Money, i128); 2]> = BTreeMap::new();
    for sum in sums {
        found.rows += sum.rows;
        found.ledger_total += sum.money;
        if sum.beyond > 0 && found.mismatches.len() < MISMATCHES_MAX {
            let (who, hour, attempts) = (described(Subject::Tenant(sum.tenant)), sum.hour, sum.beyond);
            found
                .mismatches
                .push(format!("{who}, hour {hour}: the isolation overhead of {attempts} attempts is more than they used"));
        }
        for subject in subjects(sum.tenant, sum.key, sum.end_user) {
            let ledger = &mut sides.entry((subject, sum.hour)).or_default()[0];
            ledger.0 += sum.money;
            ledger.1 += i128::from(sum.tokens);
        }
    }
    for account in accounts {
        if account.subject == Subject::Platform {
            found.accounts_total += account.money;
        }
        sides.entry((account.subject, account.hour)).or_default()[1] = (account.money, i128::from(account.tokens));
    }
    for ((subject, hour), [ledger, account]) in sides {
        // An account's hour stops at the largest number that is stored.
        let ledger = (ledger.0.min(LARGEST.0), ledger.1.min(LARGEST.1));
        if ledger != account && found.mismatches.len() < MISMATCHES_MAX {
            let who = described(subject);
            found.mismatches.push(format!(
                "{who}, hour {hour}: the ledger's rows sum to {} USD and {} tokens, the account says {} USD and {} tokens",
                ledger.0, ledger.1, account.0, account.1
            ));
        }
    }
    Ok(())
}

fn described(subject: Subject) -> String {
    match subject {
        Subject::Platform => "platform".to_owned(),
        Subject::Tenant(tenant) => tenant.to_string(),
        Subject::Key(tenant, key) => format!("{key} of {tenant}"),
        Subject::EndUser(tenant, end_user) => format!("{end_user} of {tenant}"),
    }
}

#[cfg(test)]
mod tests {
    use insula_model::Timestamp;

    use super::*;

    #[tokio::test]
    async fn an_account_without_rows_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::open(dir.path().join("control.db")).await.unwrap();
        let mut tx = control.db.write().await.unwrap();
        let tenant = Subject::Tenant(TenantId::from_bytes([1; 16]));
        for (subject, hour) in [(Subject::Platform, 0), (tenant, 0), (Subject::Platform, 500 * HOUR_MICROS)] {
            let insert = "INSERT INTO spend_hour (subject, hour, money, tokens) VALUES ($1, $2, 7, 0)";
            tx.exec(insert, args![subject, Timestamp::from_micros(hour)]).await.unwrap();
        }
        tx.commit().await.unwrap();

        let found = control.verify_ledger().await.unwrap();
        assert_eq!((found.rows, found.accounts_total), (0, Money::from_pico(14)));
        assert_eq!(found.difference, Money::from_pico(-14));
        assert_eq!(found.mismatches.len(), 3, "{:?}", found.mismatches);
    }

    #[tokio::test]
    async fn a_damaged_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("control.db");
        let control = Control::open(file.clone()).await.unwrap();
        control.close().await.unwrap();
        let reader = rusqlite::Connection::open(&file).unwrap();
        let find = "SELECT rootpage FROM sqlite_schema WHERE name = 'ledger_by_time'";
        let page: i64 = reader.query_row(find, [], |row| row.get(0)).unwrap();
        drop(reader);
        let mut bytes = std::fs::read(&file).unwrap();
        // The entries of an index are gone.
        let at = (page as usize - 1) * 4_096;
        bytes[at..at + 16].fill(0xff);
        std::fs::write(&file, bytes).unwrap();
        let control = Control::open(file).await.unwrap();
        assert!(control.verify_ledger().await.map_or(true, |found| !found.mismatches.is_empty()));
    }
}
