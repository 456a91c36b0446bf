;; Attack: looks for whatever WASI could give away: directories, environment, arguments, the time of day. Expected: there are
;; no directories, no environment and no arguments, and the clock stands at zero. The response is these four numbers, each a
;; byte: directories, variables, arguments, seconds.
(component
  (import "wasi:filesystem/types@0.2.0" (instance $files
    (export "descriptor" (type (sub resource)))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $descriptor-outside))
    (export "descriptor" (type $descriptor-inside (eq $descriptor-outside)))
    (export "get-directories" (func (result (list (tuple (own $descriptor-inside) string)))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:clocks/wall-clock@0.2.0" (instance $clock
    (type $datetime-shape (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime-shape)))
    (export "now" (func (result $datetime)))))
  (core module $memory-module
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
  (core instance $memory-instance (instantiate $memory-module))
  (alias core export $memory-instance "memory" (core memory $memory))
  (alias core export $memory-instance "realloc" (core func $realloc))
  (core func $directories (canon lower (func $preopens "get-directories") (memory $memory) (realloc $realloc)))
  (core func $variables (canon lower (func $environment "get-environment") (memory $memory) (realloc $realloc)))
  (core func $arguments (canon lower (func $environment "get-arguments") (memory $memory) (realloc $realloc)))
  (core func $now (canon lower (func $clock "now") (memory $memory)))
  (core module $module
    (import "host" "memory" (memory 1))
    (import "host" "directories" (func $directories (param i32)))
    (import "host" "variables" (func $variables (param i32)))
    (import "host" "arguments" (func $arguments (param i32)))
    (import "host" "now" (func $now (param i32)))
    (func (export "run") (param i32 i32) (result i32)
      ;; A list is its address and its length.
      (call $directories (i32.const 64))
      (i32.store8 (i32.const 512) (i32.load (i32.const 68)))
      (call $variables (i32.const 64))
      (i32.store8 (i32.const 513) (i32.load (i32.const 68)))
      (call $arguments (i32.const 64))
      (i32.store8 (i32.const 514) (i32.load (i32.const 68)))
      (call $now (i32.const 64))
      (i32.store8 (i32.const 515) (i64.ne (i64.load (i32.const 64)) (i64.const 0)))
      (i32.store (i32.const 256) (i32.const 0))
      (i32.store (i32.const 260) (i32.const 512))
      (i32.store (i32.const 264) (i32.const 4))
      (i32.const 256))
  )
  (core instance $host
    (export "memory" (memory $memory))
    (export "directories" (func $directories))
    (export "variables" (func $variables))
    (export "arguments" (func $arguments))
    (export "now" (func $now)))
  (core instance $instance (instantiate $module (with "host" (instance $host))))
  (type $run-error-shape (variant (case "conflict") (case "failed" string)))
  (export $run-error "run-error" (type $run-error-shape))
  (type $run (func (param "request" (list u8)) (result (result (list u8) (error $run-error)))))
  (alias core export $instance "run" (core func $core-run))
  (func $lifted (type $run) (canon lift (core func $core-run) (memory $memory) (realloc $realloc)))
  (export "run" (func $lifted))
)
