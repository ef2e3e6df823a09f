//! The end of a batch: its output, written from the lines that were kept.

use std::collections::HashSet;

use insula_model::{BatchStatus, BatchTimes, FilePurpose, Result};
use insula_store::{BatchRow, LineRow, Written};

use super::{
    detail::{Finding, open_line, seal_line},
    lines::parse,
    output::unanswered,
    run::Running,
};
use crate::{files::FileWriter, runs::Laid};

/// Lines that are read or written at once.
const LINES_MAX: u32 = 32;

/// How a batch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All lines are done.
    Completed,
    /// Its time ran out.
    Expired,
    /// Its tenant cancelled it.
    Cancelled,
    /// The key behind it was taken back.
    Withdrawn,
    /// Its file is gone.
    FileGone,
}

impl Ending {
    fn status(self) -> BatchStatus {
        match self {
            Ending::Completed => BatchStatus::Completed,
            Ending::Expired => BatchStatus::Expired,
            Ending::Cancelled => BatchStatus::Cancelled,
            Ending::Withdrawn | Ending::FileGone => BatchStatus::Failed,
        }
    }

    /// What the output says of lines that were not begun: a code and a reason.
    fn leaves(self) -> Option<(&'static str, &'static str)> {
        match self {
            Ending::Completed | Ending::FileGone => None,
            Ending::Expired => Some(("batch_expired", "this request was not executed before the batch's time ran out")),
            Ending::Cancelled => Some(("batch_cancelled", "this request was not executed before the batch was cancelled")),
            Ending::Withdrawn => Some(("key_withdrawn", "the key that asked for this batch was revoked or has expired")),
        }
    }

    /// What the batch says.
    fn finding(self) -> Option<Finding> {
        match self {
            Ending::Withdrawn => self.leaves().map(|(code, message)| Finding::of_all(code, message)),
            Ending::FileGone => Some(Finding::of_all("file_missing", "the input file is gone")),
            Ending::Completed | Ending::Expired | Ending::Cancelled => None,
        }
    }
}

/// Ends a batch: what was not begun gets its reason, answers and reasons become files, and the batch shows them. Can be
/// repeated from the beginning whenever it is interrupted.
pub(super) async fn end(batch: &Running, ending: Ending) -> Result<Laid> {
    if let Some((code, message)) = ending.leaves() {
        give_reasons(batch, code, message).await?;
    }
    let (output, errors) = write_files(batch).await?;
    let now = batch.engine.clock.now();
    let status = ending.status();
    let mut detail = batch.detail.clone();
    detail.errors.extend(ending.finding());
    let mut times = batch.row.times;
    *ended_at(&mut times, ending) = Some(now);
    let ended = BatchRow {
        status,
        times,
        output_file: output.as_ref().map(|output| output.written.file),
        error_file: errors.as_ref().map(|errors| errors.written.file),
        sealed_detail: detail.seal(&batch.engine, &batch.seals, batch.row.id)?,
        ..batch.row.clone()
    };
    let files: Vec<Written> = [&output, &errors].into_iter().flatten().map(|file| file.written).collect();
    if !batch.store.end_batch(&ended, batch.row.status, &files).await? {
        // Somebody moved it on meanwhile; what was written is removed.
        return Ok(Laid::Until(now));
    }
    for mut file in [output, errors].into_iter().flatten() {
        file.writer.published();
    }
    tracing::info!(batch = %batch.row.id, status = status.name(), "a batch is over");
    Ok(Laid::Over)
}

fn ended_at(times: &mut BatchTimes, ending: Ending) -> &mut Option<insula_model::Timestamp> {
    match ending {
        Ending::Completed => &mut times.completed_at,
        Ending::Expired => &mut times.expired_at,
        Ending::Cancelled => &mut times.cancelled_at,
        Ending::Withdrawn | Ending::FileGone => &mut times.failed_at,
    }
}

/// Keeps a reason for every line that is not done. A batch whose lines were never counted has none to give reasons for.
async fn give_reasons(batch: &Running, code: &str, message: &str) -> Result<()> {
    if batch.row.total == 0 {
        return Ok(());
    }
    let Some(mut lines) = batch.lines().await? else { return Ok(()) };
    let done: HashSet<u64> = batch.store.lines_done(batch.row.id).await?.into_iter().collect();
    let mut rows = Vec::new();
    while let Some(line) = lines.next().await? {
        let Ok(request) = parse(&line, batch.row.operation) else { continue };
        if done.contains(&line.number) {
            continue;
        }
        let id = batch.engine.request_id(batch.request_tag);
        let plain = unanswered(id, &request.custom_id, code, message);
        let sealed_result = seal_line(&batch.engine, &batch.seals, batch.row.id, line.number, &plain);
        rows.push(LineRow { line: line.number, failed: true, sealed_result });
        if rows.len() >= LINES_MAX as usize {
            batch.store.keep_lines(batch.row.id, &rows).await?;
            rows.clear();
        }
    }
    batch.store.keep_lines(batch.row.id, &rows).await.map(drop)
}

/// A file of the output, whole, and not shown yet.
struct Finished {
    writer: FileWriter,
    written: Written,
}

/// Writes answers into one file and everything else into another; a file without a line is not made.
async fn write_files(batch: &Running) -> Result<(Option<Finished>, Option<Finished>)> {
    let (mut output, mut errors) = (None, None);
    let mut from = 0;
    loop {
        let rows = batch.store.lines(batch.row.id, from, LINES_MAX).await?;
        let Some(last) = rows.last() else { break };
        from = last.line + 1;
        for row in &rows {
            let mut plain = open_line(&batch.seals, batch.row.id, row.line, &row.sealed_result)?;
            plain.push(b'\n');
            let (file, kind) = if row.failed { (&mut errors, "error") } else { (&mut output, "output") };
            let writer = match file {
                Some(writer) => writer,
                None => file.insert(begin(batch, kind).await?),
            };
            writer.write(&plain).await?;
        }
    }
    Ok((finished(output).await?, finished(errors).await?))
}

async fn begin(batch: &Running, kind: &str) -> Result<FileWriter> {
    let name = format!("{}_{kind}.jsonl", batch.row.id);
    // What was paid for is written, however many files there are.
    FileWriter::begin(&batch.engine, &batch.scope, FilePurpose::BatchOutput, &name, u64::MAX).await
}

async fn finished(writer: Option<FileWriter>) -> Result<Option<Finished>> {
    let Some(mut writer) = writer else { return Ok(None) };
    let written = writer.finish().await?;
    Ok(Some(Finished { writer, written }))
}
