//! The entry of a plugin.

/// Makes a function the plugin's `run`.
///
/// - `plugin!(run)` for `fn run(request: &[u8]) -> Result<Vec<u8>>`: the bytes are the plugin's own
///   affair;
/// - `plugin!(json: run)` for `fn run(request: Request) -> Result<Response>` with a `Deserialize`
///   request and a `Serialize` response: both are JSON.
///
/// An error that is a conflict lets the host run the plugin again from its start, as long as none
/// of its transactions has committed; any other ends the run, and its text is the caller's answer.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sop_guest::{Result, transact};
///
/// #[derive(Deserialize)]
/// struct Request { key: String }
/// #[derive(Serialize)]
/// struct Response { count: u64 }
///
/// fn run(request: Request) -> Result<Response> {
///     let count = transact(|transaction| {
///         transaction.typed::<String, u64>("counters")?.modify(&request.key, |count| *count += 1)
///     })?;
///     Ok(Response { count })
/// }
///
/// sop_guest::plugin!(json: run);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! plugin {
    (json: $run:path) => {
        fn sop_guest_run(request: &[u8]) -> $crate::Result<Vec<u8>> {
            $crate::json_run(request, $run)
        }
        $crate::plugin!(sop_guest_run);
    };
    ($run:path) => {
        #[cfg(target_arch = "wasm32")]
        struct SopGuestPlugin;

        #[cfg(target_arch = "wasm32")]
        impl $crate::bindings::Guest for SopGuestPlugin {
            fn run(request: Vec<u8>) -> ::std::result::Result<Vec<u8>, $crate::bindings::RunError> {
                $run(&request).map_err(|error: $crate::Error| match error {
                    $crate::Error::Conflict(_) => $crate::bindings::RunError::Conflict,
                    error => $crate::bindings::RunError::Failed(error.to_string()),
                })
            }
        }

        #[cfg(target_arch = "wasm32")]
        $crate::bindings::export!(SopGuestPlugin with_types_in $crate::bindings);

        // A native build has no one who calls it but its tests; the types are checked all the same.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&[u8]) -> $crate::Result<Vec<u8>> = $run;
    };
}

/// A request and a response as JSON around a function of their types. `plugin!(json: …)` uses it.
pub fn json_run<Request, Response>(
    request: &[u8],
    run: impl FnOnce(Request) -> crate::Result<Response>,
) -> crate::Result<Vec<u8>>
where
    Request: serde::de::DeserializeOwned,
    Response: serde::Serialize,
{
    Ok(serde_json::to_vec(&run(serde_json::from_slice(request)?)?)?)
}
