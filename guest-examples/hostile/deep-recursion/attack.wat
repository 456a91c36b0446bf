;; Attack: a function that calls itself without end, with locals that fill the stack.
;; Expected: a trap (stack overflow), which the caller is told; the host's own stack is not touched.
(component
  (core module $module
    (memory (export "memory") 1)
    ;; The request always lies at 4096: one call is made, and nothing is freed.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func $deeper (param i64 i64 i64 i64) (result i64)
      ;; The sum after the call keeps it from being a tail call.
      (i64.add
        (call $deeper (i64.add (local.get 0) (i64.const 1)) (local.get 2) (local.get 3) (local.get 1))
        (i64.xor (local.get 0) (local.get 3))))
    (func (export "run") (param i32 i32) (result i32)
      (i32.wrap_i64 (call $deeper (i64.const 0) (i64.const 1) (i64.const 2) (i64.const 3))))
  )
  (core instance $instance (instantiate $module))
  (type $run-error-shape (variant (case "conflict") (case "failed" string)))
  (export $run-error "run-error" (type $run-error-shape))
  (type $run (func (param "request" (list u8)) (result (result (list u8) (error $run-error)))))
  (alias core export $instance "memory" (core memory $memory))
  (alias core export $instance "realloc" (core func $realloc))
  (alias core export $instance "run" (core func $core-run))
  (func $lifted (type $run) (canon lift (core func $core-run) (memory $memory) (realloc $realloc)))
  (export "run" (func $lifted))
)
