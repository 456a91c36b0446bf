(component
  (core module $main
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (loop (br 0)) (unreachable))
    (func (export "run") (param i32 i32) (result i32) (unreachable)))
  (core instance $i (instantiate $main))
  (type $run-error' (variant (case "conflict") (case "failed" string)))
  (export $run-error "run-error" (type $run-error'))
  (func $run (param "request" (list u8)) (result (result (list u8) (error $run-error)))
    (canon lift (core func $i "run") (memory $i "memory") (realloc (func $i "realloc"))))
  (export "run" (func $run)))
