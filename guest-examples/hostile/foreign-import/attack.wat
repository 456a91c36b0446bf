;; Attack: imports the storage below the engine, `sop:storage/registry`, and with it every store of
;; the database. Expected: refused when it is loaded, with the name of the import; it never runs.
(component
  (import "sop:storage/registry@0.1.0" (instance $registry
    (export "allocate-store" (func (param "name" (list u8)) (result u64)))))
  (core module $module
    (memory (export "memory") 1)
    ;; The request always lies at 4096: one call is made, and nothing is freed.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      (unreachable))
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
