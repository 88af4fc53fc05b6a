;; A service: it exports an interface for other components, and nothing else inside it counts.
(component
  (import "leyden:log/log@0.1.0" (instance $log))
  (component $inner
    (import "wasi:http/types@0.2.0" (instance))
    (core module (func (export "wasi:http/incoming-handler@0.2.0"))))
  (core module $code (func (export "f") (result i32) i32.const 1))
  (core instance $made (instantiate $code))
  (func $f (result u32) (canon lift (core func $made "f")))
  (instance $calls (export "f" (func $f)))
  (export "seed:town/house@0.1.0" (instance $calls)))
