// Artillery's loop goes on while this says so.
'use strict';
let until = 0;
module.exports.goesOn = (context, next) => {
  until = until || Date.now() + Number(process.env.PEERS_SECONDS) * 1000;
  next(Date.now() < until);
};
