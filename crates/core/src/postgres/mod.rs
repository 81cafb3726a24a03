//! What belongs to PostgreSQL and not to one kind of object: names, SQL, fragments, locks, parameters, periods, cron
//! expressions, routines.

pub mod batch;
pub mod cron;
pub mod duration;
pub mod fixed_point;
pub mod fragment;
pub mod keywords;
pub mod lock;
pub mod lookup;
pub mod name;
pub mod parameters;
pub mod period;
pub mod relation;
pub mod routine;
pub mod rows;
pub mod sql;
pub mod tokens;
