//! Whether a store decides: a commit is one put-if-absent, and a store that ignores the condition, or lets two racing puts
//! win, would lose commits silently. So it is asked before anything is written.
//!
//! Two fresh names under `probe/`: one is put twice in turn, one by several at once. Exactly one put of each may win, the
//! object must be the winner's, and it must be read, found and listed at once, and gone once it is deleted.

use bytes::Bytes;

use super::{Objects, Stored};
use crate::blob::BlobError;
use crate::limits;
use crate::runtime::Runtime;

/// Where the objects of a probe lie for its moment.
pub(crate) const PREFIX: &str = "probe/";

/// Asks a store whether its put-if-absent can be trusted.
///
/// # Errors
/// [`BlobError::Denied`] says what the store did wrong, or that it does not let this host write; other errors, that it could
/// not be found out now. Nothing is left behind either way, if the store lets itself be reached.
pub async fn probe(objects: &dyn Objects, runtime: &dyn Runtime) -> Result<(), BlobError> {
    let unique = runtime.random();
    let name = format!("{PREFIX}{unique:016x}-turn");
    let verdict = in_turn(objects, &name).await;
    clean(objects, &name, verdict).await?;
    let name = format!("{PREFIX}{unique:016x}-race");
    let verdict = racing(objects, &name).await;
    clean(objects, &name, verdict).await
}

/// Deletes the object of a probe whatever came out; what came out goes before what became of that.
async fn clean(
    objects: &dyn Objects,
    name: &str,
    verdict: Result<(), BlobError>,
) -> Result<(), BlobError> {
    let deleted = objects.delete(name).await;
    verdict?;
    deleted?;
    if objects.exists(name).await? {
        return Err(refused("an object that was deleted is still there"));
    }
    Ok(())
}

fn refused(what: &str) -> BlobError {
    BlobError::Denied(format!(
        "it cannot keep transactions apart: {what}; use a store that honours a conditional put (`If-None-Match: *`)"
    ))
}

async fn in_turn(objects: &dyn Objects, name: &str) -> Result<(), BlobError> {
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
    if objects.put_if_absent(name, first.clone()).await? == Stored::Exists {
        return Err(refused("a name that nobody ever used was said to exist"));
    }
    match objects.get(name).await? {
        Some(found) if found == first => {}
        Some(_) => return Err(refused("an object is not what was put there")),
        None => return Err(refused("an object that was just put cannot be read")),
    }
    if objects.put_if_absent(name, second).await? == Stored::New {
        return Err(refused(
            "a second conditional put of one name was let through",
        ));
    }
    match objects.get(name).await? {
        Some(found) if found == first => {}
        Some(_) => return Err(refused("a put that was refused overwrote the object")),
        None => return Err(refused("a put that was refused removed the object")),
    }
    if !objects.exists(name).await? {
        return Err(refused("an object that was just put is said not to exist"));
    }
    let listed = objects.list(PREFIX).await?;
    if !listed.iter().any(|listed| listed.name == name) {
        return Err(refused("an object that was just put is not listed"));
    }
    Ok(())
}

async fn racing(objects: &dyn Objects, name: &str) -> Result<(), BlobError> {
    let bytes = |racer: usize| Bytes::from(format!("racer {racer}"));
    let puts = (0..limits::PROBE_RACERS).map(|racer| objects.put_if_absent(name, bytes(racer)));
    let answers = futures::future::join_all(puts).await;
    let found = objects.get(name).await?;
    let mut winners = Vec::new();
    let mut failure = None;
    for (racer, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(Stored::New) => winners.push(racer),
            Ok(Stored::Exists) => {}
            Err(error) => failure = Some(error),
        }
    }
    match (winners.as_slice(), found) {
        ([winner], Some(found)) if found == bytes(*winner) => Ok(()),
        ([_], _) => Err(refused("the object is not what the winner of a race put")),
        // Somebody's answer was lost: it is not known who won.
        ([], _) => Err(failure.unwrap_or_else(|| refused("nobody won a race"))),
        (several, _) => Err(refused(&format!(
            "{} of {} racing puts of one name were told that they had won",
            several.len(),
            limits::PROBE_RACERS
        ))),
    }
}
