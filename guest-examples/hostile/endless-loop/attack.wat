;; Attack: `run` never returns. Expected: stopped at the limit of wall time (or of fuel), which the
;; caller is told; neighbours go on.
(component
  (core module $module
    (memory (export "memory") 1)
    ;; The request always lies at 4096: one call is made, and nothing is freed.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      (loop $again (br $again))
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
