//! What an error of the crate `object_store` means for whoever called.
//!
//! The crate keeps the status of an answer private, so it is read from the message it writes itself. Only certainty makes an
//! error [`BlobError::Full`] or [`BlobError::Denied`]: both say that nothing was written.

use std::error::Error as _;
use std::io::ErrorKind;

use object_store::Error;

use crate::blob::BlobError;

/// What stands before the status in the crate's messages.
const STATUS_MARK: &str = "non-2xx status code: ";
/// Codes in the body of an answer that say: no room.
const FULL_CODES: [&str; 4] = [
    "QuotaExceeded",
    "InsufficientStorage",
    "StorageFull",
    "ServiceQuotaExceeded",
];
/// Codes in the body of an answer below 500 that say: not with these credentials, not at this place.
const DENIED_CODES: [&str; 6] = [
    "NoSuchBucket",
    "ContainerNotFound",
    "ExpiredToken",
    "InvalidToken",
    "InvalidAccessKeyId",
    "AuthorizationHeaderMalformed",
];

/// An error with what lies under it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(below) = source {
        let below_text = below.to_string();
        if !text.contains(&below_text) {
            text = format!("{text}: {below_text}");
        }
        source = below.source();
    }
    // The bodies of answers are XML over several lines.
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The status of the answer that an error tells of.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once(STATUS_MARK)?;
    rest.get(..3)?.parse().ok()
}

/// The kind of the failed system call that an error tells of.
fn system_kind(error: &Error) -> Option<ErrorKind> {
    let mut source = error.source();
    while let Some(below) = source {
        if let Some(system) = below.downcast_ref::<std::io::Error>() {
            return Some(system.kind());
        }
        source = below.source();
    }
    None
}

/// Whether an answer says that the object is not there, and the place where it would be is.
pub(super) fn is_absent(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !names_code(&chain(error), &DENIED_CODES)
}

fn names_code(text: &str, codes: &[&str]) -> bool {
    codes.iter().any(|code| text.contains(code))
}

/// The error of one call on one object of a place.
pub(super) fn classify(action: &str, name: &str, place: &str, error: &Error) -> BlobError {
    let text = chain(error);
    let message = format!("{action} `{name}` in {place}: {text}");
    let status = status(&text);
    let refused = status.is_some_and(|status| (400..500).contains(&status));
    match (system_kind(error), status) {
        (Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded), _) | (_, Some(507)) => {
            return BlobError::Full(message);
        }
        (Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem), _) => {
            return BlobError::Denied(message);
        }
        (_, Some(401 | 403)) if !names_code(&text, &FULL_CODES) => {
            return BlobError::Denied(message);
        }
        (_, Some(416)) => return BlobError::Damaged(message),
        _ if refused && names_code(&text, &FULL_CODES) => return BlobError::Full(message),
        _ if refused && names_code(&text, &DENIED_CODES) => return BlobError::Denied(message),
        _ => {}
    }
    let out_of_range = ["Out of range", "range was invalid", "InvalidGetRange"];
    match error {
        Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::UnknownConfigurationKey { .. } => BlobError::Denied(message),
        _ if text.contains("Received redirect") => BlobError::Denied(message),
        _ if status.is_none() && names_code(&text, &out_of_range) => BlobError::Damaged(message),
        _ => BlobError::Unavailable(message),
    }
}
