;; Attack: a core module in place of a component, as `cargo build --target wasm32-unknown-unknown`
;; makes without the right linker. Expected: refused when it is loaded, with advice on how to make a
;; component of it.
(module
  (memory (export "memory") 1)
  (func (export "run") (param i32 i32) (result i32) (unreachable)))
