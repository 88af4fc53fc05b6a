//! The function.

/// Greets whoever is named, or the world.
pub fn greet(greeting: &str, name: &str) -> String {
    match name.trim() {
        "" => format!("{greeting}, world!\n"),
        name => format!("{greeting}, {name}!\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::greet;

    #[test]
    fn whoever_is_named_is_greeted_and_else_the_world() {
        assert_eq!(greet("Hello", " Ada\n"), "Hello, Ada!\n");
        assert_eq!(greet("Hej", ""), "Hej, world!\n");
    }
}
