;; Attack: grows a table by a million elements again and again, until it is refused; then answers
;; how many elements it got. Expected: stopped, or `table.grow` refused, at the limit; the
;; host's memory stays within its budget. The answer is the number of elements, 4 bytes,
;; little-endian.
(component
  (core module $module
    (memory (export "memory") 1)
    (table $table 1 funcref)
    ;; The request always lies at 4096: one call is made, and nothing is freed.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      (local $step i32)
      (local.set $step (i32.const 1000000))
      (loop $more
        (if (i32.eq (table.grow $table (ref.null func) (local.get $step)) (i32.const -1))
          ;; Refused: half as much, down to single elements.
          (then (local.set $step (i32.shr_u (local.get $step) (i32.const 1)))))
        (br_if $more (local.get $step)))
      ;; ok(list of the 4 bytes at 64), as the canonical ABI wants it at 0
      (i32.store (i32.const 64) (table.size $table))
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (i32.const 64))
      (i32.store (i32.const 8) (i32.const 4))
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
