CREATE TABLE t (a integer); CREATE TABLE managed (a integer); CREATE SCHEMA other; CREATE TABLE other.moved (a integer);
