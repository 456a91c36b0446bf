//! Plugins written by hand in WAT, so that they can do what no software development kit would.

/// A component that imports the engine's transactions; `body` is the core function
/// `(func (export "run") (param $request i32) (param $length i32) (result i32) …)` and whatever it needs.
///
/// The body may call `$drop-transaction`, `$drop-store`, `$begin`, `$open`, `$get`, `$put`, `$commit` (see the imports below for their parameters; the last one
/// is where the answer goes: tag at 0, value or error from 8), `$ok (ptr) (len)`, `$conflict` and `$failed (ptr) (len)`,
/// which make the result, and has memory whose first 4,096 bytes nobody uses.
pub(crate) fn plugin(body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (import "sop:engine/types@0.1.0" (instance $types
    (type $version' u64) (export "version" (type $version (eq $version')))
    (type $id' (record (field "high" u64) (field "low" u64))) (export "transaction-id" (type $id (eq $id')))
    (type $limit' (record (field "name" string) (field "maximum" u64))) (export "limit-exceeded" (type $limit (eq $limit')))
    (type $isolation' (enum "serializable" "snapshot")) (export "isolation" (type $isolation (eq $isolation')))
    (type $key' (record (field "store" string) (field "key" (list u8)))) (export "conflicting-key" (type $key (eq $key')))
    (type $error' (variant (case "conflict" (list $key)) (case "unavailable" string) (case "unknown-outcome" $id)
      (case "corrupt" string) (case "denied" string) (case "limit" $limit) (case "snapshot-expired" $version)
      (case "fenced") (case "ended") (case "not-found" string) (case "exists" string) (case "read-only")
      (case "invalid" string)))
    (export "error" (type $error (eq $error')))
    (type $info' (record (field "version" $version) (field "revalidations" u32)))
    (export "commit-info" (type $info (eq $info')))
  ))
  (alias export $types "isolation" (type $isolation))
  (alias export $types "error" (type $error))
  (alias export $types "commit-info" (type $info))
  (import "sop:engine/transactions@0.1.0" (instance $transactions
    (alias outer 1 $isolation (type $isolation')) (export "isolation" (type $i (eq $isolation')))
    (alias outer 1 $error (type $error')) (export "error" (type $e (eq $error')))
    (alias outer 1 $info (type $info')) (export "commit-info" (type $c (eq $info')))
    (export "transaction" (type $t (sub resource)))
    (export "store" (type $s (sub resource)))
    (export "[static]transaction.begin"
      (func (param "isolation" $i) (result (result (own $t) (error $e)))))
    (export "[method]transaction.open-or-create-store"
      (func (param "self" (borrow $t)) (param "name" string) (result (result (own $s) (error $e)))))
    (export "[method]transaction.open-store"
      (func (param "self" (borrow $t)) (param "name" string) (result (result (own $s) (error $e)))))
    (export "[method]transaction.commit"
      (func (param "self" (borrow $t)) (result (result $c (error $e)))))
    (export "[method]store.get"
      (func (param "self" (borrow $s)) (param "key" (list u8)) (result (result (option (list u8)) (error $e)))))
    (export "[method]store.put"
      (func (param "self" (borrow $s)) (param "key" (list u8)) (param "value" (list u8)) (result (result (error $e)))))
  ))
  (core module $memory
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      global.get $next
      global.get $next local.get 3 i32.const 7 i32.add i32.const -8 i32.and i32.add global.set $next))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))
  (core func $begin (canon lower (func $transactions "[static]transaction.begin") (memory $mem) (realloc $realloc)))
  (core func $create (canon lower (func $transactions "[method]transaction.open-or-create-store") (memory $mem) (realloc $realloc)))
  (core func $open (canon lower (func $transactions "[method]transaction.open-store") (memory $mem) (realloc $realloc)))
  (core func $commit (canon lower (func $transactions "[method]transaction.commit") (memory $mem) (realloc $realloc)))
  (core func $get (canon lower (func $transactions "[method]store.get") (memory $mem) (realloc $realloc)))
  (core func $put (canon lower (func $transactions "[method]store.put") (memory $mem) (realloc $realloc)))
  (alias export $transactions "transaction" (type $transaction))
  (alias export $transactions "store" (type $store))
  (core func $drop-transaction (canon resource.drop $transaction))
  (core func $drop-store (canon resource.drop $store))
  (core module $main
    (import "m" "memory" (memory 2))
    (import "e" "drop-transaction" (func $drop-transaction (param i32)))
    (import "e" "drop-store" (func $drop-store (param i32)))
    (import "e" "begin" (func $begin (param i32 i32)))
    (import "e" "create" (func $create (param i32 i32 i32 i32)))
    (import "e" "open" (func $open (param i32 i32 i32 i32)))
    (import "e" "commit" (func $commit (param i32 i32)))
    (import "e" "get" (func $get (param i32 i32 i32 i32)))
    (import "e" "put" (func $put (param i32 i32 i32 i32 i32 i32)))
    (data (i32.const 4096) "canary")
    (data (i32.const 4112) "key")
    (data (i32.const 4120) "value")
    (data (i32.const 4128) "0123456789abc")
    (func $ok (param $pointer i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 8000) (i32.const 0))
      (i32.store (i32.const 8004) (local.get $pointer))
      (i32.store (i32.const 8008) (local.get $length))
      (i32.const 8000))
    (func $conflict (result i32)
      (i32.store8 (i32.const 8000) (i32.const 1))
      (i32.store8 (i32.const 8004) (i32.const 0))
      (i32.const 8000))
    (func $failed (param $pointer i32) (param $length i32) (result i32)
      (i32.store8 (i32.const 8000) (i32.const 1))
      (i32.store8 (i32.const 8004) (i32.const 1))
      (i32.store (i32.const 8008) (local.get $pointer))
      (i32.store (i32.const 8012) (local.get $length))
      (i32.const 8000))
    ;; The error case in the answer at this place, as one character.
    (func $case (param $answer i32) (result i32)
      (call $failed (i32.add (i32.const 4128) (i32.load8_u offset=8 (local.get $answer))) (i32.const 1)))
    {body})
  (core instance $i (instantiate $main
    (with "m" (instance $m))
    (with "e" (instance
      (export "drop-transaction" (func $drop-transaction)) (export "drop-store" (func $drop-store))
      (export "begin" (func $begin)) (export "create" (func $create)) (export "open" (func $open))
      (export "commit" (func $commit)) (export "get" (func $get)) (export "put" (func $put))))))
  (type $run-error' (variant (case "conflict") (case "failed" string)))
  (import "run-error" (type $run-error (eq $run-error')))
  (func $run (param "request" (list u8)) (result (result (list u8) (error $run-error)))
    (canon lift (core func $i "run") (memory $mem) (realloc $realloc)))
  (export "run" (func $run)))"#
    );
    wat::parse_str(text).unwrap()
}

/// Puts `key` = `value` into the store named by the request, creating it, and commits; then does `end`.
pub(crate) fn writer(commit: bool, end: &str) -> Vec<u8> {
    let commit = if commit {
        "(call $commit (i32.load (i32.const 8)) (i32.const 96))
         (if (i32.load8_u (i32.const 96)) (then (return (call $case (i32.const 96)))))"
    } else {
        ""
    };
    plugin(&format!(
        r#"(func (export "run") (param $request i32) (param $length i32) (result i32)
      (call $begin (i32.const 0) (i32.const 0))
      (if (i32.load8_u (i32.const 0)) (then (return (call $case (i32.const 0)))))
      (call $create (i32.load (i32.const 8)) (local.get $request) (local.get $length) (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then (return (call $case (i32.const 32)))))
      (call $put (i32.load (i32.const 40)) (i32.const 4112) (i32.const 3) (i32.const 4120) (i32.const 5) (i32.const 64))
      (if (i32.load8_u (i32.const 64)) (then (return (call $case (i32.const 64)))))
      {commit}
      {end})"#
    ))
}

/// Answers the value of `key` in the store named by the request.
pub(crate) fn reader() -> Vec<u8> {
    plugin(
        r#"(func (export "run") (param $request i32) (param $length i32) (result i32)
      (call $begin (i32.const 1) (i32.const 0))
      (if (i32.load8_u (i32.const 0)) (then (return (call $case (i32.const 0)))))
      (call $open (i32.load (i32.const 8)) (local.get $request) (local.get $length) (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then (return (call $case (i32.const 32)))))
      (call $get (i32.load (i32.const 40)) (i32.const 4112) (i32.const 3) (i32.const 64))
      (if (i32.load8_u (i32.const 64)) (then (return (call $case (i32.const 64)))))
      (call $ok (i32.load (i32.const 76)) (i32.load (i32.const 80))))"#,
    )
}

/// A component without imports; `body` as in [`plugin`], without the calls.
pub(crate) fn alone(body: &str) -> Vec<u8> {
    alone_with_memory(1, body)
}

/// The same with a memory that starts with so many pages.
pub(crate) fn alone_with_memory(pages: u32, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
  (core module $main
    (memory (export "memory") {pages})
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
    {body})
  (core instance $i (instantiate $main))
  (type $run-error' (variant (case "conflict") (case "failed" string)))
  (import "run-error" (type $run-error (eq $run-error')))
  (func $run (param "request" (list u8)) (result (result (list u8) (error $run-error)))
    (canon lift (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (export "run" (func $run)))"#
    );
    wat::parse_str(text).unwrap()
}
