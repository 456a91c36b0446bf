//! The component: the engine on the host's imports, behind the exported interfaces. Only types are converted here.
//!
//! An instance is one engine: its page cache lives as long as the instance. A component instance runs one call at a time,
//! so everything is shared by `Rc` and `RefCell`; no borrow is held over a call back into this module.

mod convert;
mod imports;
mod inspection;
mod transactions;

use std::cell::OnceCell;
use std::rc::Rc;

use crate::store::Engine;
use imports::Imports;

/// The engine of this instance.
fn engine() -> Rc<Engine<Imports>> {
    thread_local! {
        static ENGINE: OnceCell<Rc<Engine<Imports>>> = const { OnceCell::new() };
    }
    ENGINE.with(|cell| Rc::clone(cell.get_or_init(|| Rc::new(Engine::new(Imports)))))
}

/// The type that carries the exports.
struct Component;

#[allow(
    unsafe_code,
    reason = "generated: the exported functions of the component"
)]
mod exports {
    use super::Component;
    use crate::bindings;

    bindings::export!(Component with_types_in bindings);
}
