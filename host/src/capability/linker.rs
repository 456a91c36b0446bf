//! Offering the imports to a component.

use wasmtime::component::{HasSelf, Linker};

use super::state::HostState;
use crate::engine_pool::bindings::sop::storage;

/// Offers `sop:storage/registry` and `sop:storage/blobs` to components of any wasmtime embedding whose store data holds a
/// [`HostState`], from [`Database::host_state`](crate::Database::host_state).
///
/// The linker's engine needs wasmtime's asynchronous calls: instantiate and call with the `_async` functions.
///
/// ```no_run
/// use sop_host::capability::{HostState, add_to_linker};
///
/// struct Mine {
///     sop: HostState,
/// }
///
/// # fn example(engine: &wasmtime::Engine) -> wasmtime::Result<()> {
/// let mut linker = wasmtime::component::Linker::<Mine>::new(engine);
/// add_to_linker(&mut linker, |mine| &mut mine.sop)?;
/// # Ok(())
/// # }
/// ```
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut HostState,
) -> wasmtime::Result<()> {
    storage::types::add_to_linker::<T, HasSelf<HostState>>(linker, get)?;
    storage::registry::add_to_linker::<T, HasSelf<HostState>>(linker, get)?;
    storage::blobs::add_to_linker::<T, HasSelf<HostState>>(linker, get)
}
