;; Attack: grows its memory to the 4 GiB that 32 bits can address and writes to every page, then
;; answers how many pages it got. Expected: stopped, or `memory.grow` refused, at the limit. The
;; plugin may go on with what it got, so the run may succeed; the host's memory stays within the
;; limit. The answer is the number of 64 KiB pages, 4 bytes, little-endian.
(component
  (core module $module
    (memory (export "memory") 1)
    ;; The request always lies at 4096: one call is made, and nothing is freed.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      (local $page i32)
      (block $refused
        (loop $more
          (local.set $page (memory.grow (i32.const 1)))
          (br_if $refused (i32.eq (local.get $page) (i32.const -1)))
          ;; A page that is not touched costs nothing.
          (i64.store (i32.shl (local.get $page) (i32.const 16)) (i64.const -1))
          (br $more)))
      ;; ok(list of the 4 bytes at 64), as the canonical ABI wants it at 0
      (i32.store (i32.const 64) (memory.size))
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
