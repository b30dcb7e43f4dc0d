//! Values read as they are written, and nothing else is a value.

use proptest::prelude::*;

use super::*;

#[test]
fn values_read_as_they_are_written() {
    for text in ["250ms", "30s", "10m", "36h", "1d", "5us", "0us"] {
        assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
    }
    for text in ["512B", "64KiB", "16MiB", "1GiB"] {
        assert_eq!(text.parse::<Size>().unwrap().to_string(), text);
    }
    assert_eq!("200ms..30s".parse::<TimeRange>().unwrap().to_string(), "200ms..30s");
    assert_eq!("90s".parse::<Time>().unwrap().to_string(), "90s");
}

#[test]
fn a_value_without_a_unit_or_sense_is_refused() {
    for text in ["", "5", "ms", "5 parsecs", "-1s", "1.5s"] {
        assert_eq!(text.parse::<Time>(), Err(ValueError::Time(text.into())), "{text}");
    }
    for text in ["64", "64MB", "MiB"] {
        assert_eq!(text.parse::<Size>(), Err(ValueError::Size(text.into())), "{text}");
    }
    assert!("30s..200ms".parse::<TimeRange>().is_err());
    assert!(matches!("99999999999999999h".parse::<Time>(), Err(ValueError::TooLarge(_))));
}

/// Whatever is read is written so that it reads the same.
fn check<T>(text: &str) -> Result<(), TestCaseError>
where
    T: FromStr<Err = ValueError> + fmt::Display + fmt::Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(value) => prop_assert_eq!(value.to_string().parse::<T>(), Ok(value)),
        // The error says what it is about.
        Err(error) => prop_assert!(error.to_string().contains('`')),
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_read_is_written_so_that_it_reads_the_same(
        text in prop_oneof![
            "[0-9]{0,22} ?(us|ms|s|m|h|d|B|KiB|MiB|GiB|[a-zA-Z]{0,3})",
            "[0-9]{1,20}(us|ms|s|m|h|d) ?\\.\\. ?[0-9]{1,20}(us|ms|s|m|h|d)",
            "never|[-+.0-9]{0,6}[a-z]{0,2}",
            ".*",
        ],
    ) {
        check::<Time>(&text)?;
        check::<Size>(&text)?;
        check::<TimeRange>(&text)?;
        check::<TimeOrNever>(&text)?;
    }
}

#[test]
fn a_moment_is_written_as_it_is_read() {
    let moment = Moment::try_from("2026-01-01T00:00:00Z".to_owned()).unwrap();
    assert_eq!(moment, Moment(1_767_225_600_000));
    assert_eq!(String::from(moment), "2026-01-01T00:00:00Z");
    for wrong in ["", "yesterday", "2026-01-01", "1767225600000"] {
        assert!(Moment::try_from(wrong.to_owned()).is_err(), "{wrong}");
    }
}
