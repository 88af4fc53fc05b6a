;; A function with a manifest, whose import needs the grant that stands there.
(component
  (import "wasi:http/types@0.2.0" (instance $types
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))))
  (import "wasi:keyvalue/store@0.2.0-draft2" (instance))
  (import "wasi:config/store@0.2.0-rc.1" (instance))
  (alias export $types "incoming-request" (type $request))
  (alias export $types "response-outparam" (type $answer))
  (core module $code (memory 1) (func (export "handle") (param i32 i32) (local i32) (loop)))
  (core instance $made (instantiate $code))
  (func $handle (param "request" (own $request)) (param "response-out" (own $answer))
    (canon lift (core func $made "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler))
  (@custom "leyden:manifest" "[[routes]]\npath = \"/seed/{x}\"\n[grants]\nkeyvalue = true\n[reuse]\ncount = 3\n"))
