;; Attack: answers a list that claims 4 GiB - 1 bytes, in a memory of 64 KiB.
;; Expected: a trap (the list lies outside of the memory); the host allocates nothing of that size.
(component
  (core module $module
    (memory (export "memory") 1)
    ;; The request always lies at 4096: one call is made, and nothing is freed.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      ;; ok(list at 0 of 0xffffffff bytes)
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 0))
      (i32.store (i32.const 8) (i32.const -1))
      (i32.const 0))
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
