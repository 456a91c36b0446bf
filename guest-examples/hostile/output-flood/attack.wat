;; Attack: a million lines on stdout, each with an escape sequence that would clear a terminal. Expected: the run succeeds;
;; the first lines become log records with the escape made visible, the rest is dropped and counted.
(component
  (import "wasi:io/error@0.2.0" (instance $errors
    (export "error" (type (sub resource)))))
  (alias export $errors "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $error (type $error-outside))
    (export "error" (type $error-inside (eq $error-outside)))
    (type $stream-error-shape (variant (case "last-operation-failed" (own $error-inside)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error-shape)))
    (export "output-stream" (type $output-stream (sub resource)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output-stream)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output-stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output-stream (type $output-stream-outside))
    (export "output-stream" (type $output-stream-inside (eq $output-stream-outside)))
    (export "get-stdout" (func (result (own $output-stream-inside))))))
  (core module $memory-module (memory (export "memory") 1))
  (core instance $memory-instance (instantiate $memory-module))
  (alias core export $memory-instance "memory" (core memory $memory))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (core module $module
    (import "host" "memory" (memory 1))
    (import "host" "get-stdout" (func $get-stdout (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (data (i32.const 64) "look here\1b[2J\n")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096))
    (func (export "run") (param i32 i32) (result i32)
      (local $stream i32) (local $left i32)
      (local.set $stream (call $get-stdout))
      (local.set $left (i32.const 1000000))
      (loop $again
        (call $write (local.get $stream) (i32.const 64) (i32.const 14) (i32.const 128))
        ;; A write that fails is a trap.
        (if (i32.load8_u (i32.const 128)) (then (unreachable)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (local.get $left)))
      ;; An empty response: tag 0, a list of no length.
      (i32.store (i32.const 256) (i32.const 0))
      (i32.store (i32.const 260) (i32.const 0))
      (i32.store (i32.const 264) (i32.const 0))
      (i32.const 256))
  )
  (core instance $host
    (export "memory" (memory $memory))
    (export "get-stdout" (func $get-stdout))
    (export "write" (func $write)))
  (core instance $instance (instantiate $module (with "host" (instance $host))))
  (type $run-error-shape (variant (case "conflict") (case "failed" string)))
  (export $run-error "run-error" (type $run-error-shape))
  (type $run (func (param "request" (list u8)) (result (result (list u8) (error $run-error)))))
  (alias core export $instance "realloc" (core func $realloc))
  (alias core export $instance "run" (core func $core-run))
  (func $lifted (type $run) (canon lift (core func $core-run) (memory $memory) (realloc $realloc)))
  (export "run" (func $lifted))
)
