;; The smallest function: it is taken, and would answer nothing.
(component
  (import "wasi:http/types@0.2.3" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $answer))
  (core module $code (func (export "handle") (param i32 i32)))
  (core instance $made (instantiate $code))
  (func $handle (param "request" (own $request)) (param "response-out" (own $answer))
    (canon lift (core func $made "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.3" (instance $handler)))
