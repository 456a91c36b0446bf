;; Expects what is not so: a runner that lets this script pass shows nothing.
(assert_return (invoke "put" (str.const "a") (str.const "one")) (u64.const 1099511627777))
(assert_return (invoke "get" (str.const "a") (option.none)) (option.some (str.const "two")))
