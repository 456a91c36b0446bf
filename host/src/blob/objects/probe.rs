//! Whether a store decides: a commit is one put-if-absent, and a store that ignores the condition, or lets two racing puts
//! win, would lose commits silently. So it is asked before anything is written.

use bytes::Bytes;

use super::{Objects, Stored};
use crate::blob::BlobError;
use crate::limits;
use crate::runtime::Runtime;

/// Puts under one fresh name, one after the other and racing, and looks who won.
///
/// # Errors
/// [`BlobError::Denied`] says what the store did wrong. It leaves nothing behind.
pub async fn probe(objects: &dyn Objects, runtime: &dyn Runtime) -> Result<(), BlobError> {
    let unique = runtime.random();
    for round in ["one", "race"] {
        let name = format!("probe/{unique:016x}-{round}");
        let verdict = if round == "one" {
            in_turn(objects, &name).await
        } else {
            racing(objects, &name).await
        };
        let cleaned = objects.delete(&name).await;
        verdict?;
        cleaned?;
    }
    Ok(())
}

fn refused(what: &str) -> BlobError {
    BlobError::Denied(format!(
        "this store cannot keep transactions apart: {what}; use one that honours `If-None-Match: *`"
    ))
}

async fn in_turn(objects: &dyn Objects, name: &str) -> Result<(), BlobError> {
    let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
    objects.put_if_absent(name, first.clone()).await?;
    let again = objects.put_if_absent(name, second).await?;
    if again == Stored::New {
        return Err(refused("a second put of the same name was let through"));
    }
    match objects.get(name).await? {
        Some(found) if found == first => {}
        Some(_) => return Err(refused("a put that was refused overwrote the object")),
        None => return Err(refused("an object that was just put is not there")),
    }
    if !objects.exists(name).await? {
        return Err(refused("an object that was just put does not exist"));
    }
    if !objects
        .list("probe/")
        .await?
        .iter()
        .any(|listed| listed.name == name)
    {
        return Err(refused("an object that was just put is not listed"));
    }
    Ok(())
}

async fn racing(objects: &dyn Objects, name: &str) -> Result<(), BlobError> {
    let puts = (0..limits::PROBE_RACERS).map(|number| async move {
        let bytes = Bytes::from(format!("racer {number}"));
        (number, objects.put_if_absent(name, bytes).await)
    });
    let answers = futures::future::join_all(puts).await;
    let found = objects.get(name).await?;
    let mut winners = Vec::new();
    let mut failure = None;
    for (number, answer) in answers {
        match answer {
            Ok(Stored::New) => winners.push(number),
            Ok(Stored::Exists) => {}
            Err(error) => failure = Some(error),
        }
    }
    match (winners.as_slice(), found) {
        ([winner], Some(found)) if found == format!("racer {winner}").as_bytes() => Ok(()),
        ([_], _) => Err(refused("the object is not what the winner of a race put")),
        // A winner whose answer was lost is found out where it matters.
        ([], _) => match failure {
            Some(failure) => Err(failure),
            None => Err(refused("nobody won a race")),
        },
        (several, _) => Err(refused(&format!(
            "{} of {} racing puts were told that they won",
            several.len(),
            limits::PROBE_RACERS
        ))),
    }
}
