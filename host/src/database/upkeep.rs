//! What a database does besides transactions: open, verify, reclaim, checkpoint, compact, close.

use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc;

use super::convert;
use super::core::DatabaseCore;
use super::data::{CommitId, Outcome, Progress, VerifyReport};
use super::statistics::Statistics;
use crate::engine_pool::Lease;
use crate::error::Result;
use crate::limits;
use crate::storage::{CompactProgress, Compacted};

pub(super) async fn outcome(core: &Arc<DatabaseCore>, id: CommitId) -> Result<Outcome> {
    let mut lease = core.lease().await?;
    let (store, transactions) = lease.parts();
    let answer = transactions
        .call_outcome(store, convert::commit_id(id))
        .await;
    let answer = lease.answer(answer)?;
    lease.give_back();
    answer.map(convert::outcome).map_err(convert::error)
}

pub(super) fn statistics(core: &DatabaseCore) -> Statistics {
    let mut statistics = core.activity.statistics();
    statistics.instances_made = core.pool.instances_made();
    statistics.instances_reused = core.pool.instances_reused();
    statistics.calls = core.pool.calls();
    statistics.storage = core.storage.statistics().into();
    statistics
}

pub(super) async fn verify(
    core: &Arc<DatabaseCore>,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<VerifyReport> {
    let mut lease = core.lease().await?;
    let report = inspect(&mut lease, &mut progress).await;
    // After an error of the walk the instance may hold a half-done inspection: it is not worth keeping.
    if report.is_ok() {
        lease.give_back();
    }
    report
}

async fn inspect(
    lease: &mut Lease,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<VerifyReport> {
    let (store, maintenance) = lease.maintenance();
    let answer = maintenance.inspection().call_begin(store).await;
    let inspection = lease.answer(answer)?.map_err(convert::error)?;
    let nodes = loop {
        let (store, maintenance) = lease.maintenance();
        let answer = maintenance
            .inspection()
            .call_step(store, inspection, limits::VERIFY_STEP_NODES)
            .await;
        let seen = lease.answer(answer)?.map_err(convert::error)?;
        progress(Progress {
            done: seen.nodes,
            ahead: seen.ahead,
        });
        if seen.done {
            break seen.nodes;
        }
    };
    let (store, maintenance) = lease.maintenance();
    let version = maintenance
        .inspection()
        .call_version(&mut *store, inspection)
        .await;
    let stores = maintenance
        .inspection()
        .call_stores(&mut *store, inspection)
        .await;
    let damages = maintenance
        .inspection()
        .call_damages(&mut *store, inspection)
        .await;
    let freed = inspection.resource_drop_async(&mut *store).await;
    lease.answer(freed)?;
    Ok(VerifyReport {
        version: lease.answer(version)?,
        nodes,
        stores: lease
            .answer(stores)?
            .into_iter()
            .map(convert::store_report)
            .collect(),
        damages: lease
            .answer(damages)?
            .into_iter()
            .map(convert::damage)
            .collect(),
    })
}

pub(super) async fn reclaim(core: &Arc<DatabaseCore>) -> Result<()> {
    loop {
        let mut lease = core.lease().await?;
        let (store, maintenance) = lease.maintenance();
        let answer = maintenance
            .call_reclaim(store, limits::RECLAIM_STEP_NODES)
            .await;
        let answer = lease.answer(answer)?;
        lease.give_back();
        if !answer.map_err(convert::error)? {
            return Ok(());
        }
    }
}

pub(super) async fn checkpoint(core: &Arc<DatabaseCore>) -> Result<()> {
    Ok(core.storage.checkpoint().await?)
}

pub(super) async fn compact(
    core: &Arc<DatabaseCore>,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Compacted> {
    // The work goes on by itself when the caller stops waiting, so it cannot borrow the caller's callback.
    let (sender, mut steps) = mpsc::unbounded();
    let work = core.storage.compact(move |seen: CompactProgress| {
        // Nobody listening any more is no failure.
        let _ = sender.unbounded_send(seen);
    });
    let watch = async {
        while let Some(seen) = steps.next().await {
            let ahead = seen.total_bytes.saturating_sub(seen.moved_bytes);
            progress(Progress {
                done: seen.moved_bytes,
                ahead,
            });
        }
    };
    let (done, ()) = futures::join!(work, watch);
    Ok(done?)
}

pub(super) async fn close(core: &Arc<DatabaseCore>) -> Result<()> {
    core.close();
    Ok(core.storage.close().await?)
}
