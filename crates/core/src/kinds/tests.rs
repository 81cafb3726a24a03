//! Addresses of all kinds.

use super::*;

#[test]
fn addresses_survive_printing_and_reading() {
    for (table, name) in
        [("inventory.stock", "idx"), (r#""a.b"."c/d""#, "x/y"), ("A.b", "with \"quotes\" and.dots"), ("t", "new\nline")]
    {
        let address = index::address(&QualifiedName::parse(table).unwrap(), &Ident::new(name).unwrap());
        assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
    }
    let table = QualifiedName::parse(r#""a.b"."c/d""#).unwrap();
    let job = Address::of_task(Schedules::NAME, "vacuum", &table);
    assert_eq!(job.to_string().parse::<Address>().unwrap(), job);
    assert!(matches!("schedule/sweep:a.b".parse::<Address>(), Err(AddressError::Shape { .. })));
    assert!(matches!("indx/a.b/c".parse::<Address>(), Err(AddressError::Kind(_))));
    assert!(matches!("index/a.b".parse::<Address>(), Err(AddressError::Shape { .. })));
}

#[test]
fn what_another_version_manages_is_printed_as_it_was() {
    for text in ["extract/sales.order/platform", "partitioning/\"a.b\".c", "odd", "odd/task:\"a.b\".c"] {
        assert!(Address::unknown(text).to_string().starts_with(text.split('/').next().unwrap()), "{text}");
    }
    assert_eq!(Address::unknown("partitioning/a.b").to_string(), "partitioning/a.b");
}
