use crate::world::World;

#[test]
fn schema_is_json() {
    let said = World::new().say(&["schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
}
